/// Which GPU the user wants.
public enum GPUChoice: Sendable, Equatable, CustomStringConvertible {
  /// The best real one that the model fits, or none.
  case automatic
  case none
  /// By its place in the list of devices.
  case index(Int)
  /// By part of its name, in upper or lower case.
  case name(String)

  /// `auto`, `none`, a number, or part of a name.
  public init(_ text: String) {
    switch text.lowercased() {
    case "auto": self = .automatic
    case "none": self = .none
    default: self = Int(text).map { .index($0) } ?? .name(text)
    }
  }

  public var description: String {
    switch self {
    case .automatic: "auto"
    case .none: "none"
    case .index(let index): "\(index)"
    case .name(let name): name
    }
  }

  /// Whether an error is the user's business, or the answer goes on without a GPU.
  public var isExplicit: Bool {
    switch self {
    case .automatic, .none: false
    case .index, .name: true
    }
  }

  /// The device to use; nil for none.
  ///
  /// `automatic` prefers cards to devices that share the processor's memory, then more free memory; never a software device,
  /// nor one that is unsuited or too small. Who names a device gets it, be it a software device, and whatever fits.
  ///
  /// - Parameters:
  ///   - devices: from ``GPU/descriptions()``.
  ///   - byteCount: what is to be put on it.
  /// - Throws: ``GPUError/noSuchDevice(index:count:)``, ``GPUError/noDeviceNamed(_:known:)``,
  ///   ``GPUError/unsuited(device:reason:)``.
  public func pick(from devices: [GPUDescription], needing byteCount: Int) throws(GPUError) -> GPUDescription? {
    switch self {
    case .none:
      return nil
    case .automatic:
      let order: [GPUDescription.Kind] = [.discrete, .virtual, .integrated, .other]
      return devices.filter { $0.unsuited == nil && order.contains($0.kind) && $0.memory.available >= byteCount }
        .max { one, other in
          let (first, second) = (order.firstIndex(of: one.kind) ?? 0, order.firstIndex(of: other.kind) ?? 0)
          return (-first, one.memory.available, -one.index) < (-second, other.memory.available, -other.index)
        }
    case .index(let index):
      guard let device = devices.first(where: { $0.index == index }) else {
        throw .noSuchDevice(index: index, count: devices.count)
      }
      return try suited(device)
    case .name(let name):
      // Most names contain a blank.
      let isBlank = name.allSatisfy(\.isWhitespace)
      let found = devices.filter { !isBlank && $0.name.lowercased().contains(name.lowercased()) }
      guard let device = found.first(where: { $0.unsuited == nil }) ?? found.first else {
        throw .noDeviceNamed(name, known: devices.map(\.name))
      }
      return try suited(device)
    }
  }

  private func suited(_ device: GPUDescription) throws(GPUError) -> GPUDescription {
    if let reason = device.unsuited { throw .unsuited(device: device.name, reason: reason) }
    return device
  }
}

extension GPUDescription.Memory {
  /// What may be counted on: what is free, or nine tenths of all where the driver does not say.
  public var available: Int { free ?? total / 10 * 9 }
}
