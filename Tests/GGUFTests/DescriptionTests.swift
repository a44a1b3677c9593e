import Foundation
import PowerInferGGUF
import PowerInferTestKit
import Testing

@Suite struct DescriptionTests {
  private func file() throws -> GGUFFile {
    var raw = RawFile(magic: "PWRI", tensors: 2, pairs: 5)
    raw.pair("general.architecture", "llama")
    raw.key("rope", type: 6)
    raw.number(Float(0.1).bitPattern)
    raw.key("big", type: 10)
    raw.number(UInt64.max)
    raw.key("tokens", type: 9)
    raw.number(UInt32(8))
    raw.number(UInt64(12))
    for index in 0..<12 { raw.string("token \(index)\n") }
    raw.key("nan", type: 12)
    raw.number(Double.nan.bitPattern)
    raw.tensor("output.weight", [64, 100], type: 2)
    raw.tensor("norm", [64], offset: 3616)
    raw.data([UInt8](repeating: 0, count: 3616 + 256))
    return try raw.open()
  }

  @Test func readsWell() throws {
    let text = FileDescription(try file()).text(width: 80)
    #expect(
      text == """
        PowerInfer GGUF version 3, 4.3 kB, 2 tensors, 6.5 k parameters, 4.77 bits per weight

        Metadata (5 keys)
          general.architecture  "llama"
          rope                  0.1
          big                   18446744073709551615
          tokens                ["token 0\\n", "token 1\\n", …] (12 elements)
          nan                   nan

        Tensors (2)
          output.weight  Q4_0     64 × 100     3.6 kB
          norm           F32      64            256 B

        Types
          Q4_0         1 tensor      6.4 k parameters     3.6 kB
          F32          1 tensor         64 parameters      256 B

        """)
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 90 })
  }

  @Test func showsPartsAlone() throws {
    let description = FileDescription(try file())
    #expect(!description.text(parts: .metadata).contains("Tensors ("))
    #expect(!description.text(parts: .tensors).contains("Metadata ("))
  }

  @Test func showsEverythingWhenAsked() throws {
    let text = FileDescription(try file(), arrayLimit: nil).text(width: .max)
    #expect(text.contains("\"token 10\\n\", \"token 11\\n\"] (12 elements)"))
  }

  @Test func encodesAsJSON() throws {
    let data = try JSONEncoder().encode(FileDescription(try file()))
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(object["magic"] as? String == "PWRI")
    #expect(object["parameters"] as? Int == 6464)
    let metadata = try #require(object["metadata"] as? [[String: Any]])
    #expect(metadata.map { $0["key"] as? String } == ["general.architecture", "rope", "big", "tokens", "nan"])
    #expect(metadata[1]["value"] as? Double == 0.1)
    #expect(metadata[2]["value"] as? UInt64 == .max)
    #expect(metadata[3]["count"] as? Int == 12)
    #expect((metadata[3]["value"] as? [String])?.count == 8)
    #expect(metadata[4]["value"] as? String == "nan")
    let tensors = try #require(object["tensors"] as? [[String: Any]])
    #expect(tensors[0]["shape"] as? [Int] == [64, 100])
    #expect(tensors[0]["bytes"] as? Int == 3600)
  }
}
