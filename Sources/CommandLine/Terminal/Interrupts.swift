import Foundation
import PowerInfer
import PowerInferLineEditing

/// Ctrl-C stops the answer; again, it ends the program. Other signals that end the program leave the terminal as it was.
///
/// The signals arrive on a queue of their own, not in a signal handler, where almost nothing is allowed.
final class Interrupts {
  private var sources: [any DispatchSourceSignal] = []

  init(cancelling flag: CancellationFlag) {
    watch(SIGINT) {
      if flag.raise() { Self.exitForSignal(SIGINT) }
    }
    for number in [SIGTERM, SIGHUP] {
      watch(number) { Self.exitForSignal(number) }
    }
  }

  deinit {
    for source in sources { source.cancel() }
  }

  private func watch(_ number: Int32, _ action: @escaping @Sendable () -> Void) {
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInteractive))
    source.setEventHandler(handler: action)
    source.resume()
    sources.append(source)
  }

  /// Ends the program with the status that shells expect after a signal.
  private static func exitForSignal(_ number: Int32) {
    RawTerminal.restore()
    StandardOutput.note("\n")
    exit(128 + number)
  }
}
