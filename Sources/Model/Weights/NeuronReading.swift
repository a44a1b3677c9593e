import PowerInferKernels

/// How the neurons of a model will be read, which decides how their weights are arranged (`RowLayout`). It affects speed and
/// rounding. Reading neurons in another way afterwards is correct, but slower.
public enum NeuronReading: Sendable {
  /// Gates, ups and downs of some neurons, those on a list.
  case listed
  /// The same, but predictors, which make the list, are asked about all neurons.
  case predicted
  /// The leading bits of all gates, or of ups in models without gates. Gates for which ``WeightFormat/hasLeadingStripes(columns:)`` holds lie
  /// in stripes.
  case leadingBits
  /// All gates, which choose the neurons whose ups and downs are read.
  case wholeGates
  /// All of them, always.
  case whole
}
