// A description as lines of text.

extension FileDescription {
  /// The description for people.
  ///
  /// - Parameters:
  ///   - width: columns a line may take; long values are cut.
  ///   - showingMetadata: whether the keys are listed.
  ///   - showingTensors: whether the tensors are listed.
  public func text(width: Int = 120, showingMetadata: Bool = true, showingTensors: Bool = true) -> String {
    var lines = [summary]
    if showingMetadata {
      lines += ["", "Metadata (\(metadata.count) keys)"]
      let keyWidth = metadata.map { shownKey($0.key).count }.max() ?? 0
      for entry in metadata {
        let key = shownKey(entry.key).padded(keyWidth)
        let start = "  \(key)  "
        lines.append(start + shownValue(entry, width: max(20, width - start.count)))
      }
    }
    if showingTensors {
      lines += ["", "Tensors (\(tensors.count))"]
      let nameWidth = tensors.map { shownKey($0.name).count }.max() ?? 0
      let shapeWidth = tensors.map { shownShape($0.shape).count }.max() ?? 0
      for tensor in tensors {
        let size = FileDescription.size(tensor.bytes)
        lines.append(
          "  \(shownKey(tensor.name).padded(nameWidth))  \(tensor.type.padded(7))  "
            + "\(shownShape(tensor.shape).padded(shapeWidth))  \(size.paddedLeft(9))")
      }
    }
    if !types.isEmpty {
      lines += ["", "Types"]
      for total in types {
        lines.append(
          "  \(total.type.padded(7))  \("\(total.tensors)".paddedLeft(5)) tensors  "
            + "\(FileDescription.count(total.parameters).paddedLeft(8)) parameters  "
            + "\(FileDescription.size(total.bytes).paddedLeft(9))")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private var summary: String {
    var parts = [
      "\(magic == Magic.powerInfer.rawValue ? "PowerInfer GGUF" : "GGUF") version \(version)",
      FileDescription.size(bytes), "\(tensors.count) tensors", "\(FileDescription.count(parameters)) parameters",
    ]
    if let bitsPerWeight { parts.append("\(fixed(bitsPerWeight, digits: 2)) bits per weight") }
    return parts.joined(separator: ", ")
  }

  private func shownKey(_ key: String) -> String { String(shown(key).dropFirst().dropLast()) }

  private func shownShape(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: " × ") }

  private func shownValue(_ entry: Entry, width: Int) -> String {
    guard let count = entry.count else { return cut(shownScalar(entry.value), to: width) }
    let noun = "\(count) \(entry.type.dropFirst("array of ".count))"
    guard case .list(let listed) = entry.value, !listed.isEmpty else { return "[\(noun)]" }
    let items = listed.map(shownScalar)
    // As many elements as fit, and always how many there are.
    var text = ""
    for (index, item) in items.enumerated() {
      let next = (index == 0 ? "" : ", ") + item
      if text.count + next.count + noun.count + 6 > width { break }
      text += next
    }
    let isWhole = items.count == count && text.count == items.joined(separator: ", ").count
    return "[\(text)\(isWhole ? "" : text.isEmpty ? "…" : ", …")] (\(noun))"
  }

  private func shownScalar(_ value: Value) -> String {
    switch value {
    case .integer(let number): "\(number)"
    case .unsigned(let number): "\(number)"
    case .number(let number): "\(number)"
    case .bool(let bool): "\(bool)"
    case .text(let text): shown(text)
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
