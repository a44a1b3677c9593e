/// The non-linearity of a feed-forward gate.
public enum Activation: String, Sendable, CaseIterable {
  /// x · sigmoid(x): the gate of Llama's SwiGLU.
  case silu
  /// max(x, 0): the gate of ReLU fine-tunes; most neurons are silent for a token.
  case relu
}

/// What sets one model family apart from another: a short list of switches, no code.
///
/// A new family is a new file beside `Llama.swift` that declares its switches and an entry in ``all``. A switch exists only
/// when an executor acts on it.
public struct Architecture: Sendable, Equatable {
  /// `general.architecture`, also the prefix of the family's metadata keys.
  public let name: String

  /// The gate activation of a file that does not name one.
  public let gateActivation: Activation

  /// The gate activation of a file with `PWRI` magic, which stores none: ReLU by definition of the format
  /// (spec §1.2).
  public let sparseGateActivation: Activation

  /// Every family this engine computes.
  public static let all: [Architecture] = [.llama]

  /// The family named by `general.architecture`.
  ///
  /// - Throws: ``ModelError/unsupportedArchitecture(_:known:)``.
  public static func named(_ name: String) throws -> Architecture {
    guard let found = all.first(where: { $0.name == name }) else {
      throw ModelError.unsupportedArchitecture(name, known: all.map(\.name))
    }
    return found
  }
}
