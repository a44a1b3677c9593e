/// Which elements of a head a rotary position embedding turns together, j < rotary dimensions / 2.
public enum RotaryPairing: UInt32, Sendable, CaseIterable {
  /// 2j and 2j + 1: Llama, whose converters order the rows of queries and keys for it.
  case neighbours = 0
  /// j and j + rotary dimensions / 2: GPT-NeoX, Falcon.
  case halves = 1
}
