import PowerInferGGUF

/// Why predictors could not be trained.
public enum TrainingError: Error, Equatable, CustomStringConvertible {
  // What is asked for.
  case goal(Double)
  case computedLimit(Double)
  case rank(Int)
  case epochs(Double)
  case heldOut(Double)
  case passes(Int)
  case format(String)
  case textTooShort(chunks: Int, needed: Int)

  // The model.
  case downByOutput(tensor: String)
  case neverSilent(activation: String)
  case otherActivation(activation: String)
  case alwaysSilent(layer: Int)
  case notFinite(layer: Int)

  // The work.
  case notEnoughDisk(folder: String, needed: Int, free: Int)
  case notEnoughMemory(bytes: Int)
  case otherWork(folder: String, what: String)
  case foreignFolder(String)
  case inUse(String)
  case damaged(String)
  case diverged(layer: Int)
  case cancelled(folder: String)

  public var description: String {
    switch self {
    case .goal(let share):
      "The share that is wanted is \(share), expected more than 0 and less than 1."
    case .computedLimit(let share):
      "The share of neurons to compute is \(share), expected more than 0 and at most 1."
    case .rank(let rank):
      "The rank is \(rank), expected a multiple of \(TrainingRecipe.rankStep) from \(TrainingRecipe.rankRange.lowerBound) to "
        + "\(TrainingRecipe.rankRange.upperBound)."
    case .epochs(let epochs):
      "The number of times to go through the text is \(epochs), expected more than 0 and at most 1000."
    case .heldOut(let share):
      "The share of the text to hold out is \(share), expected more than 0 and at most 0.5."
    case .passes(let passes):
      "The number of passes is \(passes), expected \(TrainingRecipe.passRange.lowerBound) to "
        + "\(TrainingRecipe.passRange.upperBound)."
    case .format(let name):
      "Predictors cannot be stored as \"\(name)\"; expected one of "
        + PredictorType.allCases.map(\.rawValue).joined(separator: ", ") + "."
    case .textTooShort(let chunks, let needed):
      "The text has \(chunks) chunks, expected at least \(needed): some to learn from and some to test with."
    case .downByOutput(let tensor):
      "The model has no \"\(tensor)\"; expected a PowerInfer file, which stores the down projection with a row per neuron."
    case .neverSilent(let activation):
      "The model's activation, \(activation), is never silent, so that there is nothing to predict; --gate-thresholds says "
        + "what counts as firing."
    case .otherActivation(let activation):
      "The model is no PowerInfer file, and as one its activation would no longer be \(activation)."
    case .alwaysSilent(let layer):
      "No neuron of layer \(layer) ever fires on this text, so that there is nothing to learn."
    case .notFinite(let layer):
      "A value in layer \(layer) is infinite, no number or too large to store; the model is damaged."
    case .notEnoughDisk(let folder, let needed, let free):
      "The work takes \(needed) bytes in \"\(folder)\", but its disk has \(free) free; a shorter text (--chunks) takes less."
    case .notEnoughMemory(let bytes):
      "Training takes \(bytes) bytes of memory, more than this machine gives; fewer threads or a smaller --max-rank take less."
    case .otherWork(let folder, let what):
      "\"\(folder)\" holds work begun with another \(what); repeat that command to go on with it, or give --restart to begin "
        + "anew."
    case .foreignFolder(let folder):
      "\"\(folder)\" is not empty and holds no work of this command; name another folder with --work-dir."
    case .inUse(let folder):
      "Another process works in \"\(folder)\"."
    case .damaged(let path):
      "\(shown(path)) is damaged; give --restart to begin anew."
    case .diverged(let layer):
      "The training of layer \(layer) has gone astray: its predictions are no numbers."
    case .cancelled(let folder):
      "Cancelled; the same command goes on from what is in \"\(folder)\"."
    }
  }
}
