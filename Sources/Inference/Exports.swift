// What a program needs beside the engine: models, tokenizers and chat templates, and the choice of neurons.
@_exported public import PowerInferModel
@_exported public import PowerInferSparsity
