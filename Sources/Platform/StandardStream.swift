#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension Terminal.Stream {
  /// Writes a text at once, without a buffer.
  public func write(_ text: String) throws(StreamError) {
    var text = text
    let code = text.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: rawValue) }
    switch code {
    case 0: break
    case EPIPE: throw .closed
    default: throw .unwritable(self, reason: systemMessage(code))
    }
  }
}

/// Why a standard stream took no text.
public enum StreamError: Error, Equatable, CustomStringConvertible {
  /// Nobody reads the other end of the pipe any more.
  case closed
  case unwritable(Terminal.Stream, reason: String)

  public var description: String {
    switch self {
    case .closed: "Nobody reads the output any more."
    case .unwritable(let stream, let reason):
      "Standard \(stream == .error ? "error" : "output") could not be written: \(reason)."
    }
  }
}
