import ArgumentParser
import Foundation
import PowerInfer
import PowerInferGPU
import PowerInferKernels
import PowerInferPlatform

/// `powerinfer devices`: what a model could run on.
struct Devices: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the processor and the GPUs of this machine.",
    discussion: """
      Bandwidth is measured, and what it costs to take turns with a GPU in the middle of its work; that takes a second or two \
      for each device.

      Examples:
        powerinfer devices
        powerinfer devices --quick --json
      """)

  @Flag(help: "Leave out what has to be measured.")
  var quick = false

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    var records = [try processor()]
    var remark: String?
    do {
      for description in try GPU.descriptions() { records.append(try gpu(description)) }
    } catch {
      remark = "\(error)"
    }
    if json {
      try StandardOutput.write(JSON.text(records.map(\.record)) + "\n")
    } else {
      for entry in records { try StandardOutput.write(entry.lines.joined(separator: "\n") + "\n") }
    }
    if let remark { StandardOutput.note(remark + "\n") }
  }

  private struct Entry {
    var record: Record
    var lines: [String]
  }

  private func processor() throws -> Entry {
    let (cores, name) = (Processors.recommended, Processors.name ?? "processor")
    var line = "CPU: \(name), \(cores) cores, \(InstructionSet.active.rawValue)"
    var bandwidth: Double?
    if !quick {
      let team = ThreadTeam(workers: cores)
      bandwidth = try MemoryBandwidth.measure(.read, on: team).best
      line += String(format: ", reads %.1f GB/s", (bandwidth ?? 0) / 1e9)
    }
    return Entry(
      record: Record(fields: [
        "kind": .text("cpu"), "name": .text(name), "cores": .integer(cores),
        "instruction_set": .text(InstructionSet.active.rawValue),
        "gb_per_s": bandwidth.map { .real($0 / 1e9) } ?? .none,
      ]),
      lines: [line])
  }

  private func gpu(_ description: GPUDescription) throws -> Entry {
    var lines = description.lines
    lines[0] = "GPU \(description.index): " + lines[0]
    var (bandwidth, turn): (Double?, Double?)
    if !quick, description.unsuited == nil {
      do {
        let device = try GPU.open(description.index)
        let measured = try device.measureBandwidth()
        bandwidth = measured.best
        lines.append(String(format: "reads %.1f GB/s", measured.best / 1e9))
        let seconds = try device.measureTurn()
        turn = seconds
        lines.append(String(format: "a turn with the processor and back takes %.1f µs", seconds * 1e6))
      } catch {
        lines.append("bandwidth not measured: \(error)")
      }
    }
    return Entry(
      record: Record(fields: [
        "kind": .text(description.kind.rawValue), "index": .integer(description.index), "name": .text(description.name),
        "driver": .text(description.driver), "memory_bytes": .integer(description.memory.total),
        "free_bytes": description.memory.free.map { .integer($0) } ?? .none,
        "features": .text(description.features.names.joined(separator: ", ")),
        "unsuited": description.unsuited.map { .text($0) } ?? .none,
        "gb_per_s": bandwidth.map { .real($0 / 1e9) } ?? .none,
        "turn_us": turn.map { .real($0 * 1e6) } ?? .none,
      ]),
      lines: [lines[0]] + lines.dropFirst().map { "  " + $0 })
  }
}
