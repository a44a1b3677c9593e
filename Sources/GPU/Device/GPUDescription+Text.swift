import Foundation

extension GPUDescription {
  /// A few lines for people: name, kind and memory first, then what it can do and what limits it.
  public var lines: [String] {
    var memory = "\(size(memory.total)) of memory"
    if let free = self.memory.free { memory += ", \(size(free)) free" }
    if let unsuited { return ["\(name) (\(kind.rawValue))", "cannot be used: \(unsuited)"] }
    let widths =
      subgroupWidths.count == 1
      ? "\(subgroupWidths.lowerBound)" : "\(subgroupWidths.lowerBound) to \(subgroupWidths.upperBound)"
    return [
      "\(name) (\(kind.rawValue)), \(memory)",
      "driver \(driver)",
      "subgroups of \(widths); \(features.names.joined(separator: ", "))",
      "at most \(size(limits.bindingBytes)) a binding, \(size(limits.bufferBytes)) a buffer, "
        + "\(limits.workgroupInvocations) invocations and \(limits.sharedBytes / 1024) KiB of shared memory a workgroup",
    ]
  }

  private func size(_ byteCount: Int) -> String {
    let mebibytes = Double(byteCount) / 1_048_576
    return mebibytes < 1024
      ? String(format: "%.0f MiB", mebibytes) : String(format: "%.2f GiB", mebibytes / 1024)
  }
}
