/// Why a model's neurons could not be surveyed.
public enum SurveyError: Error, Equatable, CustomStringConvertible {
  case notFinite(layer: Int)
  case notEnoughMemory(bytes: Int)
  case noLeadingBits(String)
  case cancelled

  public var description: String {
    switch self {
    case .notFinite(let layer):
      "Layer \(layer) gives infinity or a value that is not a number; the model is damaged."
    case .notEnoughMemory(let bytes):
      "Counting what neurons do takes \(bytes) bytes, more than this machine gives; fewer threads take less."
    case .noLeadingBits(let reason):
      "The margins of leading bits need a model with silent neurons and gates in blocks of codes, but \(reason)."
    case .cancelled:
      "Cancelled; nothing was written."
    }
  }
}
