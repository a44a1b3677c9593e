import Foundation
import PowerInferGGUF
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

/// `powerinfer calibrate` and `powerinfer profile` as a person at a shell has them.
@Suite(.serialized) struct SurveyCommandTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try TinyModel().write(to: folder.file("silu.gguf"))
    try TinyModel(magic: .powerInfer, weightType: .f16).write(to: folder.file("relu.gguf"))
    try folder.write("text.txt", try ExampleFiles.shared.get().folder.read("text.txt"))
  }

  /// Runs it in which `%name` is a file of this test's folder.
  private func run(
    _ arguments: String, input: String = "", variables: [String: String] = [:]
  ) async throws -> Executable.Outcome {
    try await Executable.run(
      arguments.split(separator: " ").map { String($0).replacing("%", with: folder.path + "/") },
      input: Array(input.utf8),
      environment: variables)
  }

  private func json(_ outcome: Executable.Outcome) throws -> [String: Any] {
    #expect(outcome.status == 0 && outcome.error == "", "\(outcome.error)")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  private func thresholds(_ name: String, of model: String) throws -> GateThresholds {
    try GateThresholds(sidecar: folder.file(name), for: LanguageModel(opening: folder.file(model)))
  }

  private func profile(_ name: String, of model: String) throws -> ActivationProfile {
    try ActivationProfile(sidecar: folder.file(name), for: LanguageModel(opening: folder.file(model)))
  }

  // MARK: calibrate

  @Test func thresholdsAreSavedBesideTheModel() async throws {
    let outcome = try await run("calibrate %silu.gguf -f %text.txt -c 16 --target 0.5")
    #expect(outcome.status == 0)
    let lines = outcome.output.split(separator: "\n").map(String.init)
    #expect(lines.count == 5 && lines[0] == "| layer |  threshold | left out |     kept |")
    for (line, layer) in zip(lines[2...], ["0", "1", "all"]) {
      #expect(
        line.wholeMatch(of: #/\| +(\d|all) \| +(0\.\d{6})? \| +[45]\d\.\d\d % \| +\d\d\.\d\d % \|/#) != nil
          && line.contains(" \(layer) |"), "\(line)")
    }
    #expect(outcome.error == "The thresholds were saved in \(folder.file("silu.thresholds.gguf")).\n")
    #expect(try folder.names() == ["relu.gguf", "silu.gguf", "silu.thresholds.gguf", "text.txt"])
    let saved = try thresholds("silu.thresholds.gguf", of: "silu.gguf")
    #expect(saved.target == 0.5 && saved.text == "text.txt" && saved.thresholds.allSatisfy { $0 > 0 })
    #expect(try GateThresholds.find(for: LanguageModel(opening: folder.file("silu.gguf"))) == saved)
  }

  @Test func aCalibrationForMachinesHasEverything() async throws {
    let report = try json(
      await run("calibrate -m %silu.gguf -f %text.txt -c 16 --chunks 3 -t 1 --target 0.3 -o %t --json"))
    let origin = try #require(report["origin"] as? [String: Any])
    #expect(origin["model"] as? String == "silu.gguf" && origin["text"] as? String == "text.txt")
    #expect(origin["tokens"] as? Int == 48 && origin["contextSize"] as? Int == 16 && origin["threads"] as? Int == 1)
    #expect(report["sidecar"] as? String == folder.file("t") && report["outputModel"] == nil)
    #expect(abs(try #require(report["target"] as? Double) - 0.3) < 1e-6)
    #expect(abs(try #require(report["leftOut"] as? Double) - 0.3) < 0.01)
    #expect(try #require(report["kept"] as? Double) > 0.7)
    let layers = try #require(report["layers"] as? [[String: Double]])
    let saved = try thresholds("t", of: "silu.gguf")
    #expect(layers.map { Float($0["threshold"] ?? -1) } == saved.thresholds && saved.tokens == 48)
    #expect(layers.map { $0["layer"] } == [0, 1])
  }

  @Test func aModelCanCarryItsThresholds() async throws {
    let outcome = try await run("calibrate %silu.gguf -f %text.txt -c 16 --output-model %with.gguf -q")
    #expect(outcome.status == 0 && outcome.error == "")
    // No sidecar, for none was asked for.
    #expect(try folder.names() == ["relu.gguf", "silu.gguf", "text.txt", "with.gguf"])
    let own = try #require(try GateThresholds(in: LanguageModel(opening: folder.file("with.gguf"))))
    #expect(own.target == 0.4)
    // They stay when the weights change their type, and so their signature.
    #expect(try await run("quantize %with.gguf %q8.gguf q8_0").status == 0)
    #expect(try GateThresholds.find(for: LanguageModel(opening: folder.file("q8.gguf"))) == own)
    #expect(try await run("run -m %q8.gguf -q --raw --ignore-eos -n 2 hello").status == 0)

    let both = try await run("calibrate %silu.gguf -f %text.txt -c 16 --output-model %b.gguf -o %b")
    #expect(
      both.error
        == "The thresholds were saved in \(folder.file("b")).\nThe thresholds were saved in \(folder.file("b.gguf")).\n"
    )
  }

  @Test func aModelThatIsSilentAnywayIsToldSo() async throws {
    let outcome = try await run("calibrate %relu.gguf -f %text.txt -c 16 --target 0.2 -o %t")
    let note =
      #/Note: [45]\d\.\d\d % of the neurons are silent by themselves, more than the target; --sparsity gate leaves those out without a loss\.\n.*\n/#
    #expect(outcome.status == 0 && outcome.error.wholeMatch(of: note) != nil, "\(outcome.error)")
    #expect(outcome.output.contains(" 100.00 % |\n"))
  }

  @Test func marginsAreFoundForALoss() async throws {
    try TinyModel(magic: .powerInfer, weightType: .q4_0).write(to: folder.file("q4.gguf"))
    let outcome = try await run("calibrate %q4.gguf -f %text.txt -c 16 --chunks 8 --loss 0.01")
    #expect(outcome.status == 0, "\(outcome.error)")
    let lines = outcome.output.split(separator: "\n").map(String.init)
    try #require(lines.count == 7, "\(outcome.output)")
    #expect(lines[0] == "| layer | margin | computed |    missed |")
    for line in lines[2...4] {
      #expect(
        line.wholeMatch(of: #/\| +(\d|all) \| +(\d+\.\d\d)? \| +\d+\.\d\d % \| +\d+\.\d{4} % \|/#) != nil, "\(line)")
    }
    #expect(
      lines[5].wholeMatch(
        of: #/Perplexity changes by -?\d\.\d{3} ± \d+\.\d{3} % on the 96 tokens that were calibrated on,/#) != nil)
    #expect(
      lines[6].wholeMatch(of: #/and by -?\d+\.\d{3} ± \d+\.\d{3} % on 32 others, from \d+\.\d{3} to \d+\.\d{3}\./#)
        != nil)
    #expect(outcome.error == "The margins were saved in \(folder.file("q4.margins.gguf")).\n")
    let model = try LanguageModel(opening: folder.file("q4.gguf"))
    let saved = try #require(try LeadingBitMargins.find(for: model))
    #expect(saved.loss == 0.01 && saved.tokens == 96 && saved.text == "text.txt")

    let report = try json(await run("calibrate %q4.gguf -f %text.txt -c 16 --chunks 8 --loss 0.01 -o %m --json"))
    let layers = try #require(report["layers"] as? [[String: Double]])
    #expect(layers.map { Float($0["margin"] ?? -1) } == saved.margins)
    #expect((report["heldOut"] as? [String: Any])?["tokens"] as? Int == 32)
    #expect(
      try await run("run -m %q4.gguf -q --raw --ignore-eos -n 2 --sparsity bits --bit-margins %m hello").status == 0)
  }

  // MARK: profile

  @Test func aProfileIsSavedBesideTheModel() async throws {
    let outcome = try await run("profile %relu.gguf -f %text.txt -c 16")
    #expect(outcome.status == 0)
    let lines = outcome.output.split(separator: "\n").map(String.init)
    #expect(lines.count == 6 && lines[0] == "| layer |   active | makes 80 % |")
    for line in lines[2...] {
      #expect(line.wholeMatch(of: #/\| +(\d|mean|all) \| +\d\d\.\d\d % \| +\d\d\.\d\d % \|/#) != nil, "\(line)")
    }
    #expect(outcome.error == "The profile was saved in \(folder.file("relu.profile.gguf")).\n")
    let saved = try profile("relu.profile.gguf", of: "relu.gguf")
    #expect(saved.tokens > 100 && saved.text == "text.txt" && saved.frequencies.count == 2)
    #expect(saved.frequencies.allSatisfy { $0.contains { $0 > 0 } && $0.contains { $0 < 1 } })
  }

  @Test func aProfileForMachinesHasEverything() async throws {
    let report = try json(await run("profile %relu.gguf -f - -c 16 -o %p --json", input: "hello world " + longText))
    #expect((report["origin"] as? [String: Any])?["text"] as? String == "standard input")
    #expect(report["sidecar"] as? String == folder.file("p"))
    let layers = try #require(report["layers"] as? [[String: Double]])
    let saved = try profile("p", of: "relu.gguf")
    #expect(saved.text == "standard input")
    for (layer, frequencies) in zip(layers, saved.frequencies) {
      let active = frequencies.reduce(0) { $0 + Double($1) } / Double(frequencies.count)
      #expect(abs(try #require(layer["active"]) - active) < 1e-9)
    }
  }

  @Test func severalTextsAreReadOneAfterTheOther() async throws {
    try folder.write("a.txt", Array("hello world \(longText)\n".utf8))
    try folder.write("b.txt", Array(longText.utf8))
    _ = try json(await run("profile %relu.gguf -c 16 -o %p -f %a.txt %b.txt --json"))
    _ = try json(await run("profile %relu.gguf -c 16 -o %q -f %a.txt --json"))
    let (two, one) = (try profile("p", of: "relu.gguf"), try profile("q", of: "relu.gguf"))
    #expect(two.text == "a.txt, b.txt" && one.text == "a.txt" && two.tokens > 3 * one.tokens / 2)
  }

  @Test func thePlotIsDrawn() async throws {
    let outcome = try await run("profile %relu.gguf -f %text.txt -c 16 -o %p --plot %skew.svg")
    #expect(outcome.error.hasSuffix("The plot was saved in \(folder.file("skew.svg")).\n"))
    let svg = String(decoding: try folder.read("skew.svg"), as: UTF8.self)
    #expect(svg.hasPrefix("<svg ") && svg.contains("relu.gguf, ") && svg.contains("Layer 1: "))
    let wrong = try await run("profile %relu.gguf -f %text.txt -c 16 -o %p --plot %relu.gguf")
    #expect(wrong.error == "Error: \(beingRead("relu.gguf"))\n")
  }

  private func beingRead(_ name: String) -> String {
    "The file \"\(folder.file(name))\" is being read; the result needs another name."
  }

  private var longText: String { String(repeating: "the tower here ", count: 40) }

  @Test func aModelThatIsNeverSilentNeedsThresholds() async throws {
    let plain = try await run("profile %silu.gguf -f %text.txt -c 16 -o %p")
    #expect(
      plain.error
        == "Note: the model's activation, silu, is hardly ever 0, so that all neurons count as firing; --gate-thresholds counts "
        + "those that a calibration keeps.\nThe profile was saved in \(folder.file("p")).\n")
    #expect(plain.output.contains("|   all | 100.00 % |"))
    #expect(try await run("calibrate %silu.gguf -f %text.txt -c 16 --target 0.6 -o %t -q").status == 0)
    let cut = try json(await run("profile %silu.gguf -f %text.txt -c 16 --gate-thresholds %t -o %p --json"))
    #expect(abs(try #require(cut["active"] as? Double) - 0.4) < 0.01)
    let wrong = try await run("profile %relu.gguf -f %text.txt -c 16 --gate-thresholds %t -o %p")
    #expect(
      wrong.status == 1
        && wrong.error
          == "Error: \"\(folder.file("t"))\": The file belongs to another model, or to this one with its weights in another "
          + "type or its neurons in another order.\n"
    )
  }

  // MARK: Both

  @Test(arguments: ["calibrate", "profile"]) func sameBytesForAnyThreads(command: String) async throws {
    #expect(try await run("\(command) %silu.gguf -f %text.txt -c 20 -t 1 -o %one -q").status == 0)
    for options in ["-t 3", "-t 2"] {
      #expect(try await run("\(command) %silu.gguf -f %text.txt -c 20 \(options) -o %other -q").status == 0)
      #expect(try folder.read("other") == folder.read("one"))
    }
    let variables = ["POWERINFER_THREADS": "2", "POWERINFER_MODEL": folder.file("silu.gguf")]
    #expect(try await run("\(command) -f %text.txt -c 20 -o %other -q", variables: variables).status == 0)
    #expect(try folder.read("other") == folder.read("one"))
  }

  /// Or else nothing but deleting them would help.
  @Test func damagedResultsBesideTheModelAreMadeAnew() async throws {
    for name in ["silu.thresholds.gguf", "silu.profile.gguf"] { try folder.write(name, "This is no sidecar.") }
    for command in ["calibrate", "profile"] {
      let outcome = try await run("\(command) %silu.gguf -f %text.txt -c 16 -q")
      #expect(outcome.status == 0 && outcome.error == "")
    }
    #expect(try thresholds("silu.thresholds.gguf", of: "silu.gguf").target == 0.4)
    #expect(try profile("silu.profile.gguf", of: "silu.gguf").text == "text.txt")
  }

  @Test(arguments: ["calibrate", "profile"]) func whatIsReadIsNotWrittenOver(command: String) async throws {
    for name in ["silu.gguf", "text.txt"] {
      let before = try folder.read(name)
      let outcome = try await run("\(command) %silu.gguf -f %text.txt -c 16 -o %\(name)")
      #expect(
        outcome.error
          == "Error: The file \"\(folder.file(name))\" is being read; the result needs another name.\n")
      #expect(outcome.status == 1 && outcome.output == "")
      #expect(try folder.read(name) == before)
    }
  }

  @Test(arguments: ["bamboo", "falcon", "opt"]) func everyFamilyIsSurveyed(family: String) async throws {
    let model = try ExampleFiles.shared.get().folder.file(family + ".gguf")
    #expect(try await run("calibrate \(model) -f %text.txt -c 16 -o %t -q").status == 0)
    #expect(try await run("profile \(model) -f %text.txt -c 16 -o %p -q").status == 0)
    let opened = try LanguageModel(opening: model)
    #expect(try GateThresholds(sidecar: folder.file("t"), for: opened).thresholds.count == 2)
    #expect(try ActivationProfile(sidecar: folder.file("p"), for: opened).frequencies.count == 2)
  }
}
