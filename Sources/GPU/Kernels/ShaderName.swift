import CPowerInferShaders

/// The kernels of this package. Their sources are in `Kernels/Slang`; `Scripts/build-shaders.sh` compiles them.
public enum ShaderName: String, CaseIterable, Sendable {
  case matvec
  case matvecListed = "matvec.listed"
  case gateup
  case gateupListed = "gateup.listed"
  case norm
  case quantize
  case embed
  case rotate
  case attention
  case attentionMerge
  case down
  case activate
  case gather
  case compact
  case tally
  case matmat
  case matmatNeurons = "matmat.neurons"
  case penalize
  case likeliest
  case candidates
  /// Reads as fast as memory gives; see ``GPUDevice/measureBandwidth``.
  case bandwidth

  /// What a device runs for this name: kernels with the dot product of packed bytes have a twin that does without.
  public func shader(for features: GPUFeatures) -> ShaderDescription {
    let plain = rawValue + ".plain"
    if !features.contains(.dot8), let twin = ShaderDescription.compiled(plain) { return twin }
    guard let shader = ShaderDescription.compiled(rawValue) else {
      preconditionFailure("the table of compiled kernels has every name; a test sees to it")
    }
    return shader
  }
}

extension ShaderDescription {
  /// Every compiled kernel's name, twins included.
  public static var compiledNames: [String] {
    entries.map { String(cString: $0.name) }
  }

  /// A kernel of the compiled ones; nil where there is none of that name.
  public static func compiled(_ name: String) -> ShaderDescription? {
    entries.first { String(cString: $0.name) == name }.map { ShaderDescription($0) }
  }

  private static var entries: UnsafeBufferPointer<pi_shader> {
    UnsafeBufferPointer(start: pi_shader_table(), count: Int(pi_shader_count))
  }

  private init(_ entry: pi_shader) {
    let constants = UnsafeBufferPointer(start: entry.specialization, count: Int(entry.specialization_count))
    self.init(
      name: String(cString: entry.name),
      words: Array(UnsafeBufferPointer(start: entry.words, count: Int(entry.word_count))),
      bindings: (0..<entry.binding_count).map { entry.writes >> $0 & 1 == 1 ? .writes : .reads },
      constantBytes: Int(entry.constant_bytes),
      specialization: constants.map { Constant(name: String(cString: $0.name), id: $0.id) },
      features: GPUFeatures(rawValue: entry.features))
  }
}
