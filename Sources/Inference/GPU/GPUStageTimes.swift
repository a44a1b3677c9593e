import PowerInferGPU

/// Where the device's time went, by the marks between stages; what a pass took beyond them was spent on the host and on the way.
struct GPUStageTimes {
  private var work: [StageTimes.Work]
  private var nanoseconds: [[Double]]  // [phase][stage]

  init() {
    let phases = Batch.Phase.allCases
    work = phases.map { _ in StageTimes.Work() }
    nanoseconds = phases.map { _ in Stage.allCases.map { _ in 0 } }
  }

  mutating func add(_ phase: Batch.Phase, _ part: StageTimes.Work, _ timings: [GPUTiming], elapsed: Duration) {
    let index = Int(phase.rawValue)
    work[index].add(part, nanoseconds: UInt64(max(0, elapsed / .nanoseconds(1))))
    for timing in timings {
      guard let stage = Stage.allCases.first(where: { $0.title == timing.label }) else { continue }
      nanoseconds[index][stage.rawValue] += timing.nanoseconds
    }
  }

  var times: StageTimes {
    StageTimes(
      threads: 1,
      phases: Batch.Phase.allCases.map {
        StageTimes.Phase(phase: $0, work: work[Int($0.rawValue)], nanoseconds: nanoseconds[Int($0.rawValue)])
      })
  }
}
