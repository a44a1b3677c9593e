import Benchmark
import PowerInferKernels

/// A thousand barriers of a team; teams larger than the machine show what giving way costs.
func barriers() {
  for threads in [2, 3, 4, 8] {
    var team: ThreadTeam?
    Benchmark("1000 barriers, \(threads) threads") { benchmark in
      let members = team ?? ThreadTeam(workers: threads)
      team = members
      benchmark.startMeasurement()
      members.run { member in
        for _ in 0..<1000 { member.sync() }
      }
      benchmark.stopMeasurement()
    } teardown: {
      team = nil
    }
  }
}
