import ArgumentParser
import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferPlatform
import PowerInferToolkit

/// `powerinfer convert`: a model file from what Hugging Face's library or PyTorch has saved.
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a model file from a Hugging Face folder.",
    discussion: """
      Reads config.json, the weights (model.safetensors or pytorch_model.bin, whole or in parts) and the tokenizer \
      (tokenizer.json, tokenizer.model, or vocab.json with merges.txt) of Llama 2 and 3, Mistral, ReluLLaMA, ProSparse, \
      Bamboo, Qwen2, Falcon and OPT. Nothing in these files is run.

      With a folder of predictors (model_N.pt for every layer, and config.json with sparse_threshold) the result is a \
      PowerInfer file, whose down projections have a row per neuron; --powerinfer writes one without predictors. Both are \
      for models with ReLU only.

      Types: f16 (the default), bf16, f32, q8_0, q6_K, q5_K, q5_1, q5_0, q4_K, q4_1, q4_0. A conversion that was \
      interrupted, by Ctrl-C or by a full disk, leaves .NAME.part beside the result; the same command goes on from there.

      Examples:
        powerinfer convert Llama-3.2-1B-Instruct -o llama-3.2-1b.gguf
        powerinfer convert ReluLLaMA-7B ReluLLaMA-7B-Predictor -o relullama-7b.powerinfer.gguf
        powerinfer convert Qwen2.5-0.5B-Instruct -o qwen2.5-0.5b.q8_0.gguf --type q8_0 --json
      """)

  @Argument(help: "The folder of the model.", completion: .directory)
  var folder: String

  @Argument(help: "The folder of its predictors.", completion: .directory)
  var predictors: String?

  @Option(
    name: [.customShort("o"), .long], help: ArgumentHelp("The file to write.", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var output: String

  @Option(help: ArgumentHelp("The type of the weights.", valueName: "type"))
  var type = "f16"

  @Flag(help: "Write a PowerInfer file though there are no predictors.")
  var powerinfer = false

  @Option(
    help: ArgumentHelp(
      "What the model is called. (default: as its configuration or its folder)", valueName: "text"))
  var name: String?

  @Option(
    help: ArgumentHelp(
      "The activation of its neurons (silu, relu, gelu), where the configuration does not say the truth.",
      valueName: "name"))
  var activation: String?

  @Option(
    help: ArgumentHelp(
      "How its tokenizer cuts a text into words, by llama.cpp's name, where that is not "
        + "recognised.", valueName: "name"))
  var preTokenizer: String?

  @OptionGroup var overrideFlag: OverrideFlag
  @OptionGroup var threadOption: ThreadOption

  @Flag(help: "Print what was written as JSON.")
  var json = false

  func validate() throws {
    _ = try options
  }

  func run() throws {
    let threads = try threadOption.resolve()
    let plan = try ConversionPlan(folder, predictors: predictors, options: options)
    let converter = Converter(plan, team: ThreadTeam(workers: threads ?? Processors.recommended))
    let bar = ProgressBar.onTerminal("Converting")
    defer { bar.finish() }
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }
    let report = try converter.write(
      to: output, progress: { bar.update($0 / 1_000_000, of: $1 / 1_000_000) },
      isCancelled: { cancellation.isRaised })
    bar.finish()

    if json {
      try StandardOutput.write(JSON.text(report) + "\n")
    } else {
      for note in report.notes { StandardOutput.note("Note: \(note)\n") }
      try StandardOutput.write(report.text(from: folder, to: output))
    }
  }

  private var options: ConvertOptions {
    get throws {
      let overrides = try overrideFlag.resolve()
      do throws(QuantizeError) {
        return ConvertOptions(
          type: try QuantizeOptions.type(named: type), isPowerInfer: powerinfer, name: name, activation: activation,
          preTokenizer: preTokenizer, overrides: overrides)
      } catch {
        throw ValidationError(error.description)
      }
    }
  }
}
