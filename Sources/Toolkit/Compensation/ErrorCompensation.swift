public import PowerInfer
import PowerInferGGUF
import PowerInferKernels
public import PowerInferModel
import PowerInferPlatform

/// Finds, from texts, how the rounding errors of a model's weights can make up for each other.
///
/// The texts are read with the model as it is. Second moments grow with the square of the widths, so they are kept for as many
/// layers as the memory allows, and the texts are read again for the next ones.
public final class ErrorCompensation {
  private let model: LanguageModel
  private let text: ScoredText
  private let options: EngineOptions
  private let team: ThreadTeam
  private let memoryLimit: Int
  private var recorder: MomentRecorder?
  private var factors: [Key: ErrorFactor] = [:]

  private struct Key: Hashable {
    var layer: Int
    var input: MatrixInput
    var sorts: Bool
  }

  /// What is added to the diagonal of the moments, in means of the diagonal.
  static let damping = 0.01

  /// - Parameters:
  ///   - model: the model that is quantised, as it is read.
  ///   - text: what it reads, cut for this model.
  ///   - options: threads and batch size; all else is set here.
  ///   - memoryLimit: bytes that the moments may take; nil for half of what is free.
  /// - Throws: ``QuantizeError/notEnoughMemory(bytes:)`` where one layer's moments do not fit.
  public init(
    model: LanguageModel, text: ScoredText, options: EngineOptions = EngineOptions(), memoryLimit: Int? = nil
  ) throws {
    self.model = model
    self.text = text
    self.options = options
    let layer = MomentRecorder.layerBytes(configuration: model.configuration)
    let factors = MatrixInput.allCases.reduce(0) {
      $0 + ErrorFactor.byteCount(columns: model.configuration.columns(of: $1))
    }
    let limit = (memoryLimit ?? Memory.available / 2) - factors
    self.memoryLimit = max(limit, layer)
    guard Memory.canAllocate(layer + factors) else { throw QuantizeError.notEnoughMemory(bytes: layer + factors) }
    let asked = options.threads ?? Processors.recommended
    let range = EngineOptions.threadRange
    team = ThreadTeam(workers: min(max(asked, range.lowerBound), range.upperBound))
  }

  /// Layers, and the output matrix behind them, whose moments are kept at once.
  var layersAtOnce: Int {
    min(
      model.configuration.layerCount + 1,
      max(1, memoryLimit / MomentRecorder.layerBytes(configuration: model.configuration)))
  }

  /// Where a weight of the model stands; nil for one whose input no pass shows.
  func role(of tensor: String) -> WeightRole? {
    WeightRole(named: tensor, layers: model.configuration.layerCount, isTied: model.weights.isOutputTied)
  }

  /// How errors in the weights of that role make up for each other.
  ///
  /// - Throws: ``SurveyError``.
  func factor(
    for role: WeightRole, progress: @escaping (_ done: Int, _ of: Int) -> Void, isCancelled: @escaping () -> Bool
  ) throws -> ErrorFactor? {
    let key = Key(layer: role.layer, input: role.input, sorts: role.isByNeuron)
    if let factor = factors[key] { return factor }
    if recorder?.layers.contains(role.layer) != true {
      recorder = nil
      factors = [:]
      // The output matrix may come first in a file, and be the last of the layers.
      let start = max(0, min(role.layer, model.configuration.layerCount + 1 - layersAtOnce))
      let next = MomentRecorder(configuration: model.configuration, layers: start..<start + layersAtOnce)
      let survey = try ActivationSurvey(model: model, text: text, options: options, observer: next)
      guard try survey.run(progress: progress, isCancelled: isCancelled) else { throw SurveyError.cancelled }
      recorder = next
    }
    // Factors of other layers are not asked for again, as files keep layers together.
    factors = factors.filter { $0.key.layer == role.layer }
    guard let moments = recorder?.moments(layer: role.layer, input: role.input) else { return nil }
    let columns = model.configuration.columns(of: role.input)
    for index in 0..<columns where !moments[index * columns + index].isFinite {
      throw SurveyError.notFinite(layer: role.layer)
    }
    let factor = ErrorFactor(
      moments: moments, columns: columns, damping: Self.damping, sorts: role.isByNeuron, team: team)
    factors[key] = factor
    return factor
  }
}
