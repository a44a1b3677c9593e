import CoreMetrics
import Foundation
import HTTPTypes
import PowerInfer
import Testing

@testable import PowerInferServer

/// Parts of the server by themselves.
@Suite struct PartTests {
  @Test func prometheusText() throws {
    let factory = PrometheusFactory(bounds: [0.1, 1])
    factory.describe("requests.total", "Requests \\ of\nall kinds.")
    let counter = Counter(
      label: "requests.total", dimensions: [("route", "/a\"b\\c\nd"), ("http.method", "GET")], factory: factory)
    counter.increment(by: 3)
    counter.increment()
    CoreMetrics.Meter(label: "load", factory: factory).set(1.5)
    let timer = CoreMetrics.Timer(label: "seconds", factory: factory)
    for value in [0.05, 0.1, 0.5, 7] { timer.recordSeconds(value) }
    #expect(
      factory.text == """
        # TYPE load gauge
        load 1.5
        # HELP requests_total Requests \\\\ of\\nall kinds.
        # TYPE requests_total counter
        requests_total{route="/a\\"b\\\\c\\nd",http_method="GET"} 4
        # TYPE seconds histogram
        seconds_bucket{le="0.1"} 2
        seconds_bucket{le="1"} 3
        seconds_bucket{le="+Inf"} 4
        seconds_sum 7.65
        seconds_count 4

        """)
    // The same name and labels are the same number.
    Counter(label: "requests.total", dimensions: [("route", "/a\"b\\c\nd"), ("http.method", "GET")], factory: factory)
      .increment()
    #expect(factory.text.contains("} 5\n"))
    #expect(PrometheusFactory.name("0 é.x") == "_0___x")
    #expect(PrometheusFactory.number(.infinity) == "+Inf" && PrometheusFactory.number(1e20) == "1e+20")
  }

  @Test func keys() {
    let ring = KeyRing(["a key"])
    #expect(ring.admits([.authorization: "Bearer a key"]) && ring.admits([.xAPIKey: "a key"]))
    for headers: HTTPFields in [[:], [.authorization: "Bearer "], [.authorization: "a key"], [.xAPIKey: "a ke"]] {
      #expect(!ring.admits(headers))
    }
    #expect(KeyRing([]).admits([:]))
    // As sha256sum prints it.
    #expect(KeyRing.digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test func samplingFields() throws {
    func options(_ json: String) throws -> SamplingOptions {
      try JSONDecoder().decode(SamplingFields.self, from: Data(json.utf8)).applied(
        to: SamplingOptions(), vocabularySize: 100)
    }
    var expected = SamplingOptions()
    #expect(try options("{}") == expected)
    #expect(try options(#"{"temperature": null, "seed": -1, "logit_bias": null}"#) == expected)
    (expected.temperature, expected.topK, expected.seed) = (0.5, 7, 9)
    (expected.presencePenalty, expected.logitBias) = (-1, [5: -100, 6: 1.5])
    #expect(
      try options(
        #"{"temperature": 0.5, "top_k": 7, "seed": 9, "presence_penalty": -1, "logit_bias": {"5": -100, "6": 1.5}}"#)
        == expected)
    expected.logitBias = [5: -.infinity, 6: 1.5]
    #expect(
      try options(
        #"{"temperature": 0.5, "top_k": 7, "seed": 9, "presence_penalty": -1, "logit_bias": [[5, false], [6, 1.5]]}"#)
        == expected)
    for json in [
      #"{"logit_bias": {"100": 1}}"#, #"{"logit_bias": {"x": 1}}"#, #"{"logit_bias": [[5, true]]}"#,
      #"{"logit_bias": [5]}"#,
      #"{"repeat_penalty": 0}"#, #"{"min_p": -1}"#, #"{"temperature": "hot"}"#,
    ] { #expect(throws: (any Error).self, "\(json)") { try options(json) } }
  }

  @Test func theDescriptionNamesEveryRoute() async throws {
    let json = try JSON(Array(OpenAPI.description.utf8))
    #expect(json["openapi"].string == "3.1.0")
    var described: [String: Set<String>] = [:]
    for path in json["paths"].keys { described[path] = json["paths"][path].keys }
    let table = InferenceServer(
      options: ServerOptions(),
      library: ModelLibrary(main: nil, folder: nil, byteLimit: nil) { _ in throw CancellationError() }
    ).routes.paths
    #expect(Set(described.keys) == Set(table.keys))
    for (path, methods) in table {
      #expect(described[path] == Set(methods.filter { $0 != "HEAD" }.map { $0.lowercased() }), "\(path)")
    }
    // What is referred to is there.
    let references = OpenAPI.description.components(separatedBy: "#/components/schemas/").dropFirst().map {
      String($0.prefix { $0 != "\"" })
    }
    #expect(Set(references).isSubset(of: json["components"]["schemas"].keys))
  }
}
