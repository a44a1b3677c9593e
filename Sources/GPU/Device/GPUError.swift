/// Why something could not be done on a GPU.
public enum GPUError: Error, Equatable, CustomStringConvertible {
  // Finding and opening a device.
  case noLoader(tried: [String])
  case brokenLoader(library: String, missing: String)
  case noDevice
  case noSuchDevice(index: Int, count: Int)
  case noDeviceNamed(String, known: [String])
  case unsuited(device: String, reason: String)
  case noValidationLayers

  // The driver.
  case call(String, code: Int32, name: String)
  case deviceLost(device: String, call: String)
  case timedOut(label: String, limit: Duration)
  case wrongSum(device: String)

  // Memory.
  case outOfMemory(label: String, byteCount: Int, taken: Int)
  case overBudget(label: String, byteCount: Int, taken: Int, budget: Int)
  case bufferSize(label: String, byteCount: Int, limit: Int)
  case tooManyAllocations(label: String, limit: Int)
  case noMemoryType(role: GPUBufferRole)

  // Kernels.
  case missingFeatures(kernel: String, features: GPUFeatures, device: String)
  case shaderBindings(kernel: String, found: Int, limit: Int)
  case shaderConstants(kernel: String, found: Int, limit: Int)
  case specialization(kernel: String, expected: Int, found: Int)

  // Buffers and recordings.
  case notVisible(buffer: String)
  case outOfBounds(buffer: String, bufferBytes: Int, offset: Int, byteCount: Int)
  case misaligned(buffer: String, offset: Int, alignment: Int)
  case sliceSize(buffer: String, expected: Int, found: Int)
  case overlap(buffer: String)
  case uploadSize(buffer: String, expected: Int, found: Int)
  case uploadMultiple(buffer: String, multiple: Int, limit: Int)
  case bindings(kernel: String, expected: Int, found: Int)
  case bindingSize(kernel: String, buffer: String, found: Int, limit: Int)
  case constants(kernel: String, expected: Int, found: Int)
  case grid(kernel: String, wanted: GPUGrid, limit: GPUGrid)
  case foreign(label: String)
  case busy(recording: String)
  case nothingToStart
  case handOver(recording: String, number: Int, count: Int)

  public var description: String {
    switch self {
    case .noLoader(let tried):
      "No GPU can be used: none of \(tried.map { "\"\($0)\"" }.joined(separator: ", ")) is installed."
    case .brokenLoader(let library, let missing):
      "No GPU can be used: \"\(library)\" lacks the function \(missing)."
    case .noDevice:
      "No GPU can be used: no driver offers one."
    case .noSuchDevice(let index, let count):
      "There is no GPU \(index): \(count == 1 ? "there is only GPU 0" : "the last one is GPU \(count - 1)")."
    case .noDeviceNamed(let name, let known):
      "No GPU is called \"\(name)\"; there are: \(known.map { "\"\($0)\"" }.joined(separator: ", "))."
    case .unsuited(let device, let reason):
      "\(device) cannot be used: \(reason)."
    case .noValidationLayers:
      "The validation layers were asked for, but they are not installed."

    case .call(let call, let code, let name):
      "The GPU's driver failed: \(call) returned \(code) (\(name))."
    case .deviceLost(let device, let call):
      "\(device) was lost during \(call); it can be used again only after it is opened anew."
    case .timedOut(let label, let limit):
      "The GPU did not finish \"\(label)\" within \(seconds(limit)) s and was given up."
    case .wrongSum(let device):
      "\(device) does not compute properly: it read other numbers from its memory than were written there."

    case .outOfMemory(let label, let byteCount, let taken):
      "The GPU has no \(byteCount) bytes left for \"\(label)\"; \(taken) are in use here."
    case .overBudget(let label, let byteCount, let taken, let budget):
      "\"\(label)\" needs \(byteCount) bytes more of GPU memory, which with the \(taken) in use would exceed the budget of "
        + "\(budget)."
    case .bufferSize(let label, let byteCount, let limit):
      "The buffer \"\(label)\" has \(byteCount) bytes, where 1 to \(limit) were expected."
    case .tooManyAllocations(let label, let limit):
      "There is no memory for \"\(label)\": the GPU's driver allows \(limit) allocations, and all are in use."
    case .noMemoryType(let role):
      "The GPU has no memory for buffers of the role \"\(role.rawValue)\"."

    case .missingFeatures(let kernel, let features, let device):
      "The kernel \"\(kernel)\" cannot run on \(device), which lacks \(features.names.joined(separator: ", "))."
    case .shaderBindings(let kernel, let found, let limit):
      "The kernel \"\(kernel)\" binds \(found) buffers, where the device allows \(limit)."
    case .shaderConstants(let kernel, let found, let limit):
      "The kernel \"\(kernel)\" takes \(found) bytes of constants, where multiples of 4 up to \(limit) are allowed."
    case .specialization(let kernel, let expected, let found):
      "The kernel \"\(kernel)\" has \(expected) specialization constants, but \(found) values were given."

    case .notVisible(let buffer):
      "The host cannot reach the buffer \"\(buffer)\"."
    case .outOfBounds(let buffer, let bufferBytes, let offset, let byteCount):
      "The buffer \"\(buffer)\" has \(bufferBytes) bytes, where \(byteCount) from \(offset) on were asked for."
    case .misaligned(let buffer, let offset, let alignment):
      "A multiple of \(alignment) was expected for a part of the buffer \"\(buffer)\", not \(offset)."
    case .sliceSize(let buffer, let expected, let found):
      "A part of the buffer \"\(buffer)\" has \(found) bytes, where \(expected) were expected."
    case .overlap(let buffer):
      "A copy within the buffer \"\(buffer)\" overlaps itself."
    case .uploadSize(let buffer, let expected, let found):
      "\(expected) bytes were expected for the buffer \"\(buffer)\", and \(found) given."
    case .uploadMultiple(let buffer, let multiple, let limit):
      "The buffer \"\(buffer)\" cannot be filled in multiples of \(multiple) bytes: 1 to \(limit) are possible."
    case .bindings(let kernel, let expected, let found):
      "The kernel \"\(kernel)\" binds \(expected) buffers, but \(found) were given."
    case .bindingSize(let kernel, let buffer, let found, let limit):
      "The kernel \"\(kernel)\" was to bind \(found) bytes of the buffer \"\(buffer)\", where 1 to \(limit) are possible."
    case .constants(let kernel, let expected, let found):
      "The kernel \"\(kernel)\" takes \(expected) bytes of constants, but \(found) were given."
    case .grid(let kernel, let wanted, let limit):
      "The kernel \"\(kernel)\" was to run on \(wanted.x) x \(wanted.y) x \(wanted.z) workgroups, where at most "
        + "\(limit.x) x \(limit.y) x \(limit.z) are possible."
    case .foreign(let label):
      "\"\(label)\" belongs to another GPU."
    case .busy(let recording):
      "\"\(recording)\" was started while it was still running."
    case .nothingToStart:
      "No recording was given to start."
    case .handOver(let recording, let number, let count):
      "\"\(recording)\" has \(count) hand-overs of this kind, not one of the number \(number)."
    }
  }

  /// Whether it is memory that is missing, so that less of it might do.
  public var isShortOfMemory: Bool {
    switch self {
    case .outOfMemory, .overBudget, .tooManyAllocations: true
    // Out of host, device or pool memory, and fragmentation.
    case .call(_, let code, _): [-1, -2, -1_000_069_000, -1_000_161_000].contains(code)
    default: false
    }
  }

  private func seconds(_ duration: Duration) -> String {
    let (whole, rest) = duration.components
    let tenths = Int(rest / 100_000_000_000_000_000)
    return tenths == 0 ? "\(whole)" : "\(whole).\(tenths)"
  }
}
