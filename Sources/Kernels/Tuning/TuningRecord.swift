import Foundation
import PowerInferPlatform
import Synchronization

/// Whether an engine measures how its kernels read weights best on this machine.
public struct TuningOptions: Sendable, Equatable {
  /// When to measure.
  public enum Mode: String, Sendable, CaseIterable {
    /// Never: the kernels' default is used.
    case off
    /// Only what has not been measured before.
    case remembered
    /// Always, even what has been measured before.
    case again
  }

  public var mode: Mode
  /// Where results are remembered from one process to the next; nil for this process only.
  public var cacheFolder: String?

  public init(mode: Mode = .remembered, cacheFolder: String? = nil) {
    self.mode = mode
    self.cacheFolder = cacheFolder
  }
}

/// What trials found out on this machine, kept in one file per processor and instruction set. It never affects a computed number, so a
/// file that is damaged or cannot be written does no harm: the trial is repeated.
public struct TuningRecord: Sendable {
  private struct Entry: Codable {
    let threads: Int
    let layout: String
    let kind: RowKind
    let reading: RowReading
  }

  private static let known = Mutex<[String: [Entry]]>([:])

  private let options: TuningOptions
  private let threads: Int
  private let name: String

  /// - Parameters:
  ///   - options: where to remember.
  ///   - kernels: whose way of reading it is.
  ///   - threads: that read together.
  public init(_ options: TuningOptions, kernels: Kernels, threads: Int) {
    self.options = options
    self.threads = threads
    let processor = (Processors.name ?? "unknown").map { $0.isLetter || $0.isNumber ? $0 : "-" }
    // The number is raised whenever kernels read differently, so that old results are not used.
    name = "reading-2-\(String(processor))-\(kernels.instructionSet.rawValue).json"
  }

  /// The way to read each kind of row of these matrices, remembered or found out now.
  public func readings(for matrices: [Matrix], kernels: Kernels, team: ThreadTeam) -> RowReadings {
    var readings = RowReadings()
    guard options.mode != .off else { return readings }
    let trial = RowReadingTrial(matrices, kernels: kernels)
    let layout = matrices.contains { $0.layout != .blocks } ? "planes" : "blocks"
    var entries = options.mode == .again ? [] : entries()
    var isNew = false
    for kind in trial.kinds {
      if let entry = entries.first(where: { $0.kind == kind && $0.threads == threads && $0.layout == layout }) {
        readings[kind] = entry.reading
      } else if let result = trial.run(kind, on: team) {
        readings[kind] = result.chosen
        entries.append(Entry(threads: threads, layout: layout, kind: kind, reading: result.chosen))
        isNew = true
      }
    }
    if isNew { remember(entries) }
    return readings
  }

  private var path: String? { options.cacheFolder.map { URL(filePath: $0).appending(path: name).path } }
  private var key: String { path ?? name }

  private func entries() -> [Entry] {
    if let entries = Self.known.withLock({ $0[key] }) { return entries }
    guard let path, let data = FileManager.default.contents(atPath: path) else { return [] }
    return (try? JSONDecoder().decode([Entry].self, from: data)) ?? []
  }

  private func remember(_ entries: [Entry]) {
    Self.known.withLock { $0[key] = entries }
    guard let path, let folder = options.cacheFolder else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    guard let data = try? encoder.encode(entries) else { return }
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try? data.write(to: URL(filePath: path), options: .atomic)
  }
}
