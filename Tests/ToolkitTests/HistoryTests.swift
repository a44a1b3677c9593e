import PowerInferGGUF
import PowerInferToolkit
import Testing

@Suite("History")
struct HistoryTests {
  @Test("Steps follow one another")
  func order() {
    var metadata = Metadata()
    #expect(History.steps(of: metadata) == [])
    History.append("convert: F16", to: &metadata)
    History.append("quantize: Q4_0", to: &metadata)
    #expect(History.steps(of: metadata) == ["convert: F16", "quantize: Q4_0"])
  }

  @Test("A key of another kind is no history, and is replaced")
  func otherKind() {
    var metadata = Metadata()
    metadata.set(History.key, .uint32(1))
    #expect(History.steps(of: metadata) == [])
    History.append("quantize: Q4_0", to: &metadata)
    #expect(History.steps(of: metadata) == ["quantize: Q4_0"])
  }
}
