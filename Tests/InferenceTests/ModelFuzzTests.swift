import Foundation
import Testing

/// Damaged models: whatever a file says, loading, tokenizing, rendering and evaluating give a result or an error that is a
/// sentence.
///
/// `POWERINFER_FUZZ_COUNT` and `POWERINFER_FUZZ_SEED` ask for more inputs, or others, than the fixed ones.
@Suite struct ModelFuzzTests {
  @Test func damagedModelsNeverCrash() throws {
    let environment = ProcessInfo.processInfo.environment
    let count = environment["POWERINFER_FUZZ_COUNT"].flatMap(Int.init) ?? 2000
    let seed = environment["POWERINFER_FUZZ_SEED"].flatMap(UInt64.init) ?? 1
    var fuzzer = try ModelFuzzer(seed: seed)
    var exercise = ModelExercise()
    for number in 0..<count { exercise.run(fuzzer.next(), number: number) }

    #expect(exercise.faults == [])
    // A fuzzer whose files all load, or all fail in one way, tests nothing.
    #expect(exercise.reached["decode", default: 0] > count / 10, "\(exercise.reached)")
    #expect(exercise.refused.count > 25, "\(exercise.refused)")
    if environment["POWERINFER_FUZZ_COUNT"] != nil {
      let refused = exercise.refused.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value)" }
      print("\(count) inputs, seed \(seed): \(exercise.reached), \(refused)")
    }
  }
}
