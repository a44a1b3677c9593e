import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// However rows are read, products are the same bits; and what was found out is remembered.
@Suite struct TuningTests {
  @Test(arguments: InstructionSet.supported, [WeightFormat.q4_0, .q5_1, .q8_0, .q4_K, .q6_K])
  func noReadingChangesAResult(set: InstructionSet, format: WeightFormat) throws {
    let own = try #require(Kernels(set))
    let weights = OwnedMatrix(format, rows: 23, columns: 768, seed: 5)
    let kind = try #require(RowKind(weights.matrix))
    var generator = SeededGenerator(seed: 3)
    let token = Activations(columns: 768, capacity: 1)
    for (index, value) in generator.normals(768).enumerated() { token.values[index] = value }
    token.quantize(tokens: 0..<1, using: own)
    func products(_ kernels: Kernels) -> [Float] {
      var y = [Float](repeating: 0, count: 23)
      kernels.multiply(weights.matrix, rows: 0..<23, by: token, tokens: 0..<1, into: &y, stride: 23)
      return y
    }
    let expected = products(own)
    for candidate in RowReading.candidates(for: set) {
      var kernels = own
      kernels.readings[kind] = candidate
      #expect(kernels.readings[kind] == candidate)
      #expect(products(kernels) == expected)
    }
  }

  @Test func readingsAreKeptApart() throws {
    var readings = RowReadings()
    var kinds: [RowKind] = []
    for format in WeightFormat.allCases where format.usesQuantizedActivations {
      for (columns, layout) in [256, 2048, 8192].flatMap({ [($0, RowLayout.blocks), ($0, .stripes)] }) {
        guard layout == .blocks || format.hasPlanes else { continue }
        let matrix = Matrix(
          format: format, rows: 0, columns: columns, data: UnsafeRawPointer(bitPattern: 64)!, layout: layout)
        let kind = try #require(RowKind(matrix))
        if !kinds.contains(kind) { kinds.append(kind) }
      }
    }
    for (index, kind) in kinds.enumerated() {
      readings[kind] = RowReading(tile: index % 2 == 0 ? 1 : 4, ahead: index * 640, cache: 1 + index / 2 % 2)
    }
    for (index, kind) in kinds.enumerated() {
      #expect(readings[kind] == RowReading(tile: index % 2 == 0 ? 1 : 4, ahead: index * 640, cache: 1 + index / 2 % 2))
    }
    readings[kinds[0]] = nil
    #expect(readings[kinds[0]] == nil && readings[kinds[1]] != nil)
    #expect(RowKind(Matrix(format: .f16, rows: 0, columns: 8, data: UnsafeRawPointer(bitPattern: 64)!)) == nil)
    #expect(RowReading(tile: 7, ahead: -5) == RowReading(tile: 4, ahead: 0))
    #expect(RowReading(tile: 1, ahead: .max, cache: 3) == RowReading(tile: 1, ahead: 1 << 20))
    readings[kinds[0]] = RowReading(tile: 1, ahead: .max, cache: 2)
    #expect(readings[kinds[0]] == RowReading(tile: 1, ahead: 1 << 20, cache: 2))
  }

  /// A trial chooses among its candidates, and a second engine, or process, does as the first one found.
  @Test func isRememberedInAFile() throws {
    let folder = NSTemporaryDirectory() + "powerinfer-tuning-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let kernels = Kernels.active
    let candidates = RowReading.candidates(for: kernels.instructionSet)
    let weights = OwnedMatrix(.q8_0, rows: 4096, columns: 4096, seed: 9)
    let kind = try #require(RowKind(weights.matrix))
    let team = ThreadTeam(workers: 2)
    func readings(_ mode: TuningOptions.Mode) -> RowReadings {
      TuningRecord(TuningOptions(mode: mode, cacheFolder: folder), kernels: kernels, threads: 2)
        .readings(for: [weights.matrix], kernels: kernels, team: team)
    }
    #expect(readings(.off) == RowReadings())
    #expect(!FileManager.default.fileExists(atPath: folder))
    let first = readings(.remembered)
    #expect(candidates.isEmpty || candidates.contains { $0 == first[kind] })
    #expect(readings(.remembered) == first)
    guard !candidates.isEmpty else { return }
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(files.count == 1 && files[0].hasSuffix(".json"))
    _ = readings(.again)

    // Another folder's file is read; one that is damaged is made anew.
    let other = folder + "-other"
    defer { try? FileManager.default.removeItem(atPath: other) }
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
    let path = other + "/" + files[0]
    let planned = RowReading(tile: candidates[0].tile, ahead: 192)
    let text = try String(contentsOfFile: folder + "/" + files[0], encoding: .utf8)
    let ahead = try #require(text.firstMatch(of: /"ahead" : \d+/))
    try text.replacing(ahead.output, with: "\"ahead\" : 192").write(toFile: path, atomically: true, encoding: .utf8)
    let record = TuningRecord(TuningOptions(cacheFolder: other), kernels: kernels, threads: 2)
    #expect(record.readings(for: [weights.matrix], kernels: kernels, team: team)[kind]?.ahead == planned.ahead)
    // Numbers out of range, as no trial writes them, must not trap.
    for (index, number) in ["-1", "99999999999", "9223372036854775807"].enumerated() {
      let hostile = folder + "-hostile-\(index)"
      defer { try? FileManager.default.removeItem(atPath: hostile) }
      try FileManager.default.createDirectory(atPath: hostile, withIntermediateDirectories: true)
      try text.replacing(ahead.output, with: "\"ahead\" : \(number)")
        .write(toFile: hostile + "/" + files[0], atomically: true, encoding: .utf8)
      let clamped = TuningRecord(TuningOptions(cacheFolder: hostile), kernels: kernels, threads: 2)
        .readings(for: [weights.matrix], kernels: kernels, team: team)
      #expect(clamped[kind]?.ahead == (number == "-1" ? 0 : 1 << 20))
    }
    let third = folder + "-third"
    defer { try? FileManager.default.removeItem(atPath: third) }
    try FileManager.default.createDirectory(atPath: third, withIntermediateDirectories: true)
    try "[{".write(toFile: third + "/" + files[0], atomically: true, encoding: .utf8)
    let repaired = TuningRecord(TuningOptions(cacheFolder: third), kernels: kernels, threads: 2)
      .readings(for: [weights.matrix], kernels: kernels, team: team)
    #expect(repaired[kind] != nil)
    #expect(try Data(contentsOf: URL(filePath: third + "/" + files[0])).count > 10)
  }

  /// A kind that takes little of a large model does not stay in the cache either.
  @Test func smallKindsOfLargeModelsAreTried() throws {
    let kernels = Kernels.active
    let weights = OwnedMatrix(.q8_0, rows: 4096, columns: 4096, seed: 9)
    let few = OwnedMatrix(.q4_K, rows: 5000, columns: 768, seed: 10)
    let fewer = OwnedMatrix(.q6_K, rows: 500, columns: 768, seed: 11)
    let trial = RowReadingTrial([few.matrix, weights.matrix, fewer.matrix], kernels: kernels)
    let kinds = try [few, weights].map { try #require(RowKind($0.matrix)) }
    #expect(trial.kinds == kinds)
    let candidates = RowReading.candidates(for: kernels.instructionSet)
    let result = trial.run(kinds[0], on: ThreadTeam(workers: 2))
    #expect(result?.speeds.map(\.reading) == (candidates.isEmpty ? nil : candidates))
    #expect(result?.speeds.allSatisfy { $0.bytesPerSecond > 0 } ?? true)
  }

  /// What a cache holds has nothing to choose.
  @Test func smallModelsAreNotTried() {
    let weights = OwnedMatrix(.q8_0, rows: 2048, columns: 2048, seed: 1)
    let size = weights.matrix.rows * weights.matrix.rowBytes
    #expect(size > RowReadingTrial.leastOfKind && size < RowReadingTrial.leastBytes)
    #expect(RowReadingTrial([weights.matrix], kernels: .active).kinds.isEmpty)
  }
}
