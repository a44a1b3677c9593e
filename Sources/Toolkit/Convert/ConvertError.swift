public import PowerInferCheckpoint
public import PowerInferGGUF
public import PowerInferPlatform

/// Why a model could not be converted.
public enum ConvertError: Error, Equatable, CustomStringConvertible {
  // The folder.
  case checkpoint(CheckpointError)
  case notFolder(String)
  case noConfiguration(folder: String)
  case missingKey(String, file: String)
  case wrongKey(String, file: String, expected: String)
  case unknownModelType(String, known: [String])
  case unsupported(String)

  // Weights.
  case missingTensor(String)
  case unexpectedTensor(String)
  case shape(tensor: String, expected: [Int], found: [Int])
  case elementType(tensor: String, found: ElementType)
  case weight(QuantizeError)

  // Predictors.
  case notPredictors(String)
  case neverSilent(activation: String)
  case noPredictor(path: String, layers: Int)
  case extraPredictor(path: String, layers: Int)
  case predictorTensors(path: String, found: [String])
  case predictorShape(path: String, tensor: String, expected: String, found: [Int])
  case predictorType(path: String, tensor: String, found: ElementType)

  // Tokenizers.
  case noTokenizer(folder: String)
  case tokenizerKind(file: String, kind: String)
  case preTokenizer(file: String, known: [String])
  case protocolBuffer(file: String)
  case tokenNumber(file: String, id: Int, count: Int)
  case tokenTwice(file: String, id: Int)
  case noToken(file: String, text: String)

  // The result.
  case beingRead(String)
  case file(FileError)
  case container(GGUFError)
  indirect case interrupted(FileError, kept: String)
  case cancelled(kept: String)

  public var description: String {
    switch self {
    case .checkpoint(let error):
      return error.description
    case .notFolder(let path):
      return "\"\(path)\" is not a folder; expected the folder of a Hugging Face model."
    case .noConfiguration(let folder):
      return "There is no config.json in \"\(folder)\"; expected the folder of a Hugging Face model."
    case .missingKey(let key, let file):
      return "\"\(file)\" has no \"\(key)\"."
    case .wrongKey(let key, let file, let expected):
      return "The \"\(key)\" in \"\(file)\" is not \(expected), which was expected."
    case .unknownModelType(let name, let known):
      return "Models of type \(shown(name)) cannot be converted; expected one of \(known.joined(separator: ", "))."
    case .unsupported(let what):
      return "The model uses \(what), which this version does not compute."

    case .missingTensor(let name):
      return "The tensor \(shown(name)) is missing from the weights."
    case .unexpectedTensor(let name):
      return "The tensor \(shown(name)) is among the weights, but models of this type have no place for it."
    case .shape(let tensor, let expected, let found):
      return "The tensor \(shown(tensor)) has the shape \(found), expected \(expected)."
    case .elementType(let tensor, let found):
      return "The tensor \(shown(tensor)) is stored as \(found.rawValue), where floating-point numbers were expected."
    case .weight(let error):
      return error.description

    case .notPredictors(let path):
      return "\"\(path)\" is not a folder; expected one of predictors: model_0.pt, model_1.pt, …"
    case .neverSilent(let activation):
      return "A PowerInfer file is for neurons that are often silent (ReLU), but the model's activation is "
        + "\(shown(activation)); --activation relu says so if the configuration is wrong."
    case .noPredictor(let path, let layers):
      return "There is no predictor \"\(path)\"; the model has \(layers) layers, each of which needs one."
    case .extraPredictor(let path, let layers):
      return "There is a predictor \"\(path)\", but the model has only \(layers) layers: these are another model's."
    case .predictorTensors(let path, let found):
      let names = found.isEmpty ? "no tensor" : found.prefix(4).map { shown($0) }.joined(separator: ", ")
      return "\"\(path)\" holds \(names), where \"fc1.weight\" and \"fc2.weight\" were expected."
    case .predictorShape(let path, let tensor, let expected, let found):
      return "\"\(path)\": The tensor \"\(tensor)\" has the shape \(found), expected \(expected)."
    case .predictorType(let path, let tensor, let found):
      return "\"\(path)\": The tensor \"\(tensor)\" is stored as \(found.rawValue), where floating-point numbers were "
        + "expected."

    case .noTokenizer(let folder):
      return "There is no tokenizer in \"\(folder)\": neither tokenizer.json nor tokenizer.model nor vocab.json."
    case .tokenizerKind(let file, let kind):
      return "\"\(file)\" describes a tokenizer of the kind \(shown(kind)); expected byte-level BPE or "
        + "SentencePiece's BPE."
    case .preTokenizer(let file, let known):
      return "How \"\(file)\" cuts a text into words is not known; --pre-tokenizer names what it does: one of "
        + known.joined(separator: ", ") + "."
    case .protocolBuffer(let file):
      return "\"\(file)\" is no SentencePiece model, or it is damaged."
    case .tokenNumber(let file, let id, let count):
      return "\"\(file)\" numbers a token \(id), but the model has only \(count) tokens."
    case .tokenTwice(let file, let id):
      return "\"\(file)\" has two tokens of the number \(id)."
    case .noToken(let file, let text):
      return "\"\(file)\" names the token \(shown(text)), which the vocabulary does not have."

    case .beingRead(let path):
      return "\"\(path)\" is being read; the result needs another name."
    case .file(let error):
      return error.description
    case .container(let error):
      return error.description
    case .interrupted(let error, let kept):
      return error.description.dropLast() + "; what is done is kept in \"\(kept)\", and the same command goes on from "
        + "there."
    case .cancelled(let kept):
      return "Cancelled; what is done is kept in \"\(kept)\", and the same command goes on from there."
    }
  }
}

/// Runs `body` with a checkpoint's errors made those of conversions.
func reading<Value>(_ body: () throws(CheckpointError) -> Value) throws(ConvertError) -> Value {
  do {
    return try body()
  } catch {
    throw .checkpoint(error)
  }
}
