/// One step of a recording, as a device carries it out.
enum GPUCommand {
  enum Grid {
    case direct(GPUGrid)
    /// Three `UInt32`.
    case indirect(GPUBufferSlice)
  }

  case dispatch(any GPUKernel, [GPUBufferSlice], [UInt8], Grid)
  case copy(GPUBufferSlice, GPUBufferSlice)
  case fill(GPUBufferSlice, UInt32)
  /// All earlier steps are done, and what they wrote is seen, before a later one begins.
  case barrier
  case stage(String)
  case signalHost
  case waitForHost
}
