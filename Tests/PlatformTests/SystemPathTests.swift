import PowerInferPlatform
import Testing

/// Paths and arguments that are not UTF-8.
@Suite struct SystemPathTests {
  @Test(
    arguments: [
      [], Array("plain/é.gguf".utf8), [0x61, 0xFF, 0x62], [0xE9], [0xC3, 0x28], [0xED, 0xA0, 0x80],
      [0xF4, 0x8F, 0xBF, 0x80],
      [0xE2, 0x82], Array("日本".utf8) + [0x80, 0x81],
    ] as [[UInt8]])
  func bytesComeBack(bytes: [UInt8]) {
    let text = String(systemBytes: bytes)
    #expect(text.systemBytes == bytes)
    let isPlain = String(validating: bytes, as: UTF8.self) != nil && !bytes.contains(0xF4)
    #expect(text.hasSystemBytes == !isPlain)
    #expect(!text.withoutSystemBytes.hasSystemBytes)
    if isPlain { #expect(text.withoutSystemBytes == text && Array(text.utf8) == bytes) }
  }

  @Test func oneReplacementForEachByte() {
    #expect(String(systemBytes: [0x61, 0xFF, 0xFE, 0x62]).withoutSystemBytes == "a\u{FFFD}\u{FFFD}b")
  }

  @Test func theEnvironmentIsThere() {
    #expect(ProcessInput.environment["PATH"]?.isEmpty == false)
    #expect(!ProcessInput.arguments.contains { $0.hasSystemBytes })
  }
}
