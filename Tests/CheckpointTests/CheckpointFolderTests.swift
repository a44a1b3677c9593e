import PowerInferCheckpoint
import PowerInferPlatform
import PowerInferTestKit
import Testing

/// Checkpoints in parts.
@Suite struct CheckpointFolderTests {
  private func shard(_ names: [String]) -> [UInt8] {
    let entries = names.enumerated().map {
      #""\#($1)":{"dtype":"U8","shape":[1],"data_offsets":[\#($0),\#($0 + 1)]}"#
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
      + [UInt8](repeating: 0, count: names.count)
  }

  private func folder(_ map: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write("one.safetensors", shard(["a", "b"]))
    try folder.write("two.safetensors", shard(["c"]))
    try folder.write("model.safetensors.index.json", #"{"metadata":{"total_size":3},"weight_map":{\#(map)}}"#)
    return folder
  }

  @Test func allPartsAreRead() throws {
    let folder = try folder(#""a":"one.safetensors","b":"one.safetensors","c":"two.safetensors""#)
    let checkpoint = try CheckpointFolder(folder.path)
    #expect(checkpoint.tensors.map(\.name) == ["a", "b", "c"])
    #expect(checkpoint["c"]?.file.path == folder.file("two.safetensors"))
    #expect(checkpoint["d"] == nil)
    #expect(checkpoint.paths == [folder.file("one.safetensors"), folder.file("two.safetensors")])
  }

  @Test func onePartIsRead() throws {
    let folder = try TemporaryFolder()
    try folder.write("model.safetensors", shard(["x"]))
    #expect(try CheckpointFolder(folder.path).tensors.map(\.name) == ["x"])
  }

  @Test func whatIsMissingIsNamed() throws {
    let none = try TemporaryFolder()
    #expect(throws: CheckpointError.noCheckpoint(folder: none.path)) { try CheckpointFolder(none.path) }
    #expect(
      CheckpointError.noCheckpoint(folder: "m").description
        == "There are no weights in \"m\": neither model.safetensors nor pytorch_model.bin, whole or in parts.")

    let lost = try folder(#""a":"one.safetensors","c":"three.safetensors""#)
    let index = lost.file("model.safetensors.index.json")
    #expect(throws: CheckpointError.missingShard(lost.file("three.safetensors"), index: index)) {
      try CheckpointFolder(lost.path)
    }
    #expect(
      CheckpointError.missingShard("m/3", index: "m/i").description
        == "A part of the model is missing: there is no file \"m/3\", which \"m/i\" names.")

    let elsewhere = try folder(#""a":"two.safetensors","b":"one.safetensors""#)
    #expect(throws: CheckpointError.notInShard(tensor: "a", shard: elsewhere.file("two.safetensors"))) {
      try CheckpointFolder(elsewhere.path)
    }
    let outside = try folder(#""a":"../one.safetensors""#)
    #expect(
      throws: CheckpointError.inFile(
        path: outside.file("model.safetensors.index.json"), reason: .shardName("../one.safetensors"))
    ) { try CheckpointFolder(outside.path) }
    let twice = try folder(#""a":"one.safetensors","c":"two.safetensors""#)
    try twice.write("two.safetensors", shard(["c", "a"]))
    #expect(throws: CheckpointError.duplicateTensor("a")) { try CheckpointFolder(twice.path) }
    let broken = try folder(#""a":1"#)
    #expect(
      throws: CheckpointError.inFile(
        path: broken.file("model.safetensors.index.json"), reason: .notJSON("The index"))
    ) { try CheckpointFolder(broken.path) }
  }
}
