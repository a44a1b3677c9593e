public import CoreMetrics
import Synchronization

/// Keeps what swift-metrics' counters, meters, recorders and timers are told, and writes it as Prometheus reads it (text format
/// 0.0.4).
///
/// Recorders and timers become histograms, timers in seconds. Names get what Prometheus allows in the place of other characters.
public final class PrometheusFactory: MetricsFactory {
  private struct Family {
    var type: String
    var help = ""
    var series: [String: any Series] = [:]  // by labels, as they are written
  }

  private let families = Mutex<[String: Family]>([:])
  private let bounds: [Double]

  /// - Parameter bounds: upper ends of the histograms' buckets, ascending.
  public init(bounds: [Double] = PrometheusFactory.defaultBounds) { self.bounds = bounds }

  /// For times in seconds, from the time of a token to that of a long answer.
  public static let defaultBounds = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
  ]

  /// Says what a metric is about.
  public func describe(_ label: String, _ help: String) {
    families.withLock { $0[Self.name(label), default: Family(type: "untyped")].help = help }
  }

  /// Everything, families in the order of their names.
  public var text: String {
    let families = families.withLock { $0 }
    var text = ""
    for (name, family) in families.sorted(by: { $0.key < $1.key }) where !family.series.isEmpty {
      if !family.help.isEmpty { text += "# HELP \(name) \(Self.escaped(family.help, quotes: false))\n" }
      text += "# TYPE \(name) \(family.type)\n"
      for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
        for (suffix, label, value) in series.samples {
          let all = [labels, label].filter { !$0.isEmpty }.joined(separator: ",")
          text += name + suffix + (all.isEmpty ? "" : "{\(all)}") + " " + Self.number(value) + "\n"
        }
      }
    }
    return text
  }

  private func series<Wanted: Series>(
    _ label: String, _ dimensions: [(String, String)], _ type: String, _ make: () -> Wanted
  ) -> Wanted {
    let labels = dimensions.map { "\(Self.name($0.0))=\"\(Self.escaped($0.1, quotes: true))\"" }.joined(separator: ",")
    return families.withLock { families in
      var family = families[Self.name(label)] ?? Family(type: type)
      if family.series.isEmpty { family.type = type }
      // The same name for two kinds of metric is a mistake; the second is counted, but not shown.
      if let known = family.series[labels] { return known as? Wanted ?? make() }
      let made = make()
      if family.type == type { family.series[labels] = made }
      families[Self.name(label)] = family
      return made
    }
  }

  // MARK: What Prometheus allows

  static func name(_ text: String) -> String {
    let name = String(
      text.unicodeScalars.map { $0.isASCII && ($0.properties.isAlphabetic || "0"..."9" ~= $0) ? Character($0) : "_" })
    return name.first.map { $0.isNumber } ?? true ? "_" + name : name
  }

  static func escaped(_ text: String, quotes: Bool) -> String {
    let text = text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
    return quotes ? text.replacing("\"", with: "\\\"") : text
  }

  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    if let whole = Int(exactly: value) { return String(whole) }
    return String(value)
  }

  // MARK: What swift-metrics asks for

  public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    series(label, dimensions, "counter") { NumberSeries() }
  }

  public func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler
  {
    series(label, dimensions, "counter") { NumberSeries() }
  }

  public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    series(label, dimensions, "gauge") { NumberSeries() }
  }

  public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    if !aggregate { return series(label, dimensions, "gauge") { NumberSeries() } }
    return series(label, dimensions, "histogram") { [bounds] in HistogramSeries(bounds: bounds) }
  }

  public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    series(label, dimensions, "histogram") { [bounds] in HistogramSeries(bounds: bounds) }
  }

  // What was counted stays until the program ends.
  public func destroyCounter(_ handler: any CounterHandler) {}
  public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
  public func destroyMeter(_ handler: any MeterHandler) {}
  public func destroyRecorder(_ handler: any RecorderHandler) {}
  public func destroyTimer(_ handler: any TimerHandler) {}
}
