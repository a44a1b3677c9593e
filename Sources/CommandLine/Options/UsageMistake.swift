import PowerInfer
import PowerInferKernels

/// Tells what a person asked for wrongly from what went wrong.
enum UsageMistake {
  /// Whether the error lies in a flag or a variable, so that the exit status is that of a wrong command line.
  static func isCause(of error: any Error) -> Bool {
    switch error {
    case is OptionError, is EnvironmentError, EngineError.invalidOption, EngineError.cacheFormat: true
    case SamplingError.invalidOption, SamplingError.biasOutsideVocabulary: true
    case GenerationError.emptyStopString, GenerationError.negativeKeep, GenerationError.negativeMaxTokens: true
    default: false
    }
  }
}
