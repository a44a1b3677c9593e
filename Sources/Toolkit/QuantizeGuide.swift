/// What tells a ``Quantizer`` which errors matter.
public enum QuantizeGuide {
  /// Nothing: blocks are those of the reference encoders.
  case none
  /// Scales are searched for, and errors in columns with large inputs count more. The path is for messages.
  case importance(ImportanceMatrix, path: String)
  /// Scales are searched for, and the weights of a row make up for each other's rounding errors.
  case compensation(ErrorCompensation)
}
