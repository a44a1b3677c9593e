// A description as lines of text.

extension FileDescription {
  /// The description for people.
  ///
  /// - Parameters:
  ///   - width: columns a line may take; long values are cut.
  ///   - parts: what to show.
  public func text(width: Int = 120, parts: Parts = .all) -> String {
    let shown = showing(parts)
    var lines = [summary]
    if let metadata = shown.metadata { lines += metadataLines(metadata, width: width) }
    if let tensors = shown.tensors { lines += tensorLines(tensors) }
    if !types.isEmpty {
      lines += ["", "Types"]
      for total in types {
        lines.append(
          "  \(total.type.padded(7))  \("\(total.tensors)".paddedLeft(5)) \(total.tensors == 1 ? "tensor " : "tensors")  "
            + "\(FileDescription.count(total.parameters).paddedLeft(8)) parameters  "
            + "\(FileDescription.size(total.bytes).paddedLeft(9))")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func metadataLines(_ metadata: [Entry], width: Int) -> [String] {
    let keyWidth = metadata.map { shownKey($0.key).count }.max() ?? 0
    return ["", "Metadata (\(metadata.count) keys)"]
      + metadata.map { entry in
        let start = "  \(shownKey(entry.key).padded(keyWidth))  "
        return start + shownValue(entry, width: max(20, width - start.count))
      }
  }

  private func tensorLines(_ tensors: [TensorLine]) -> [String] {
    let nameWidth = tensors.map { shownKey($0.name).count }.max() ?? 0
    let shapeWidth = tensors.map { shownShape($0.shape).count }.max() ?? 0
    return ["", "Tensors (\(tensors.count))"]
      + tensors.map { tensor in
        "  \(shownKey(tensor.name).padded(nameWidth))  \(tensor.type.padded(7))  "
          + "\(shownShape(tensor.shape).padded(shapeWidth))  \(FileDescription.size(tensor.bytes).paddedLeft(9))"
      }
  }

  private var summary: String {
    var parts = [
      "\(magic == Magic.powerInfer.rawValue ? "PowerInfer GGUF" : "GGUF") version \(version)",
      FileDescription.size(bytes), "\(tensorCount) tensors", "\(FileDescription.count(parameters)) parameters",
    ]
    if let bitsPerWeight { parts.append("\(fixed(bitsPerWeight, digits: 2)) bits per weight") }
    return parts.joined(separator: ", ")
  }

  private func shownKey(_ key: String) -> String { String(shown(key).dropFirst().dropLast()) }

  private func shownShape(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: " × ") }

  private func shownValue(_ entry: Entry, width: Int) -> String {
    guard let count = entry.count, case .list(let listed) = entry.value else {
      return cut(shownScalar(entry.value, limit: width), to: width)
    }
    let noun = "\(count) \(count == 1 ? "element" : "elements")"
    // As many elements as fit, and always how many there are.
    var room = width - noun.count - 8
    var items: [String] = []
    for value in listed {
      let item = shownScalar(value, limit: width)
      room -= item.count + 2
      if room < 0 { break }
      items.append(item)
    }
    if items.count < count { items.append("…") }
    return "[\(items.joined(separator: ", "))] (\(noun))"
  }

  private func shownScalar(_ value: Value, limit: Int) -> String {
    switch value {
    case .integer(let number): "\(number)"
    case .unsigned(let number): "\(number)"
    case .number(let number): "\(number)"
    case .bool(let bool): "\(bool)"
    case .text(let text): shown(text, limit: limit)
    case .list(let values): "[\(values.count)]"
    }
  }

  private func cut(_ text: String, to width: Int) -> String {
    text.count <= width ? text : text.prefix(max(1, width - 1)) + "…"
  }

  /// A number of bytes in the largest fitting unit of 1,000s: "93.7 MB".
  public static func size(_ bytes: Int) -> String {
    scaled(bytes, units: [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)]) ?? "\(bytes) B"
  }

  /// A large number in words of three letters at most: "134.5 M".
  public static func count(_ count: Int) -> String {
    scaled(count, units: [("B", 1_000_000_000), ("M", 1_000_000), ("k", 1000)]) ?? "\(count)"
  }

  private static func scaled(_ number: Int, units: [(name: String, size: Int)]) -> String? {
    guard let unit = units.first(where: { number >= $0.size }) else { return nil }
    return "\(fixed(Double(number) / Double(unit.size), digits: 1)) \(unit.name)"
  }
}

/// A number with so many digits behind the point.
private func fixed(_ value: Double, digits: Int) -> String {
  var power = 1.0
  for _ in 0..<digits { power *= 10 }
  let scaled = (value.magnitude * power).rounded()
  guard let whole = Int(exactly: scaled) else { return "\(value)" }
  let text = String(repeating: "0", count: max(0, digits + 1 - String(whole).count)) + String(whole)
  return (value < 0 ? "-" : "") + text.dropLast(digits) + "." + text.suffix(digits)
}

extension String {
  fileprivate func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
  fileprivate func paddedLeft(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
