public import PowerInfer
import PowerInferGGUF
public import PowerInferModel

/// Makes an importance matrix: texts run through a model, the squares of what goes into its matrices summed.
public final class ImportanceSurvey {
  private let model: LanguageModel
  private let text: ScoredText
  private let names: [String]
  private let recorder: SquareRecorder
  private let survey: ActivationSurvey

  /// - Parameters:
  ///   - model: whose matrices are meant.
  ///   - text: what it reads, cut for this model.
  ///   - names: what the texts are called in the result.
  ///   - options: threads and batch size; all else is set here.
  /// - Throws: what making an engine throws.
  public init(
    model: LanguageModel, text: ScoredText, named names: [String], options: EngineOptions = EngineOptions()
  ) throws {
    self.model = model
    self.text = text
    self.names = names
    recorder = SquareRecorder(configuration: model.configuration)
    survey = try ActivationSurvey(model: model, text: text, options: options, observer: recorder)
  }

  /// Threads that read.
  public var threads: Int { survey.threads }

  /// Reads the text.
  ///
  /// - Parameters:
  ///   - includesOutput: whether the output matrix is among the result, which is left out as a rule: it keeps more bits than
  ///     the others anyway.
  ///   - progress: told now and then how many tokens of all are done.
  ///   - isCancelled: asked now and then.
  /// - Throws: ``SurveyError/cancelled``, ``SurveyError/notFinite(layer:)``.
  public func run(
    includesOutput: Bool = false, progress: @escaping (_ done: Int, _ of: Int) -> Void = { _, _ in },
    isCancelled: @escaping () -> Bool = { false }
  ) throws -> ImportanceMatrix {
    guard try survey.run(progress: progress, isCancelled: isCancelled) else { throw SurveyError.cancelled }
    var entries: [String: ImportanceMatrix.Entry] = [:]
    let layers = model.configuration.layerCount
    let isTied = model.weights.isOutputTied
    for tensor in model.file.tensors {
      guard let role = WeightRole(named: tensor.name, layers: layers, isTied: isTied),
        includesOutput || role.input != .output,
        let entry = recorder.entry(layer: role.layer, input: role.input)
      else { continue }
      guard entry.sums.allSatisfy(\.isFinite) else { throw SurveyError.notFinite(layer: role.layer) }
      entries[WeightRole.importanceName(of: tensor.name)] = entry
    }
    return ImportanceMatrix(
      entries: entries, texts: names, chunkCount: text.chunkCount, chunkSize: text.contextSize)
  }
}
