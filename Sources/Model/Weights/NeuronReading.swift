/// How the neurons of a model will be read, which decides how their weights are arranged (`RowLayout`). It affects speed, and rounding,
/// but neurons may be read in another way than was said.
public enum NeuronReading: Sendable {
  /// Gates, ups and downs of some neurons, those on a list.
  case listed
  /// The same, but predictors, which make the list, are asked about all neurons.
  case predicted
  /// All gates, but ups and downs of some: gates choose.
  case wholeGates
  /// All of them, always.
  case whole
}
