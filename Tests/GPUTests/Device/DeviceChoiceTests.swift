import Foundation
import Testing

@testable import PowerInferGPU

/// Which device the user's words mean.
struct DeviceChoiceTests {
  private func device(
    _ index: Int, _ name: String, _ kind: GPUDescription.Kind, total: Int = 8 << 30, free: Int? = nil,
    unsuited: String? = nil
  ) -> GPUDescription {
    GPUDescription(
      index: index, name: name, kind: kind, memory: .init(total: total, free: free),
      limits: .init(
        bindingBytes: 128 << 20, bufferBytes: 2 << 30, bindingAlignment: 16, bindings: 8, constantBytes: 128,
        sharedBytes: 32768, workgroupInvocations: 1024, grid: GPUGrid(65535, 65535, 65535), allocations: 4096),
      features: [.dot8, .storage16], subgroupWidths: 8...32, nanosecondsPerTick: 1, driver: "Test 1.2",
      unsuited: unsuited, identity: [])
  }

  @Test(arguments: [
    ("auto", GPUChoice.automatic), ("AUTO", .automatic), ("none", .none), ("0", .index(0)), ("-1", .index(-1)),
    ("7", .index(7)), ("nvidia", .name("nvidia")), ("4090", .index(4090)), ("RTX 4090", .name("RTX 4090")),
  ])
  func reads(_ text: String, _ choice: GPUChoice) {
    #expect(GPUChoice(text) == choice)
    #expect(GPUChoice(choice.description) == choice)
  }

  @Test func automaticTakesTheBestThatFits() throws {
    let all = [
      device(0, "software", .software, total: 64 << 30), device(1, "shared", .integrated, total: 32 << 30),
      device(2, "small", .discrete, total: 8 << 30), device(3, "large", .discrete, total: 24 << 30),
      device(4, "busy", .discrete, total: 80 << 30, free: 1 << 30),
      device(5, "old", .discrete, total: 80 << 30, unsuited: "it is old"),
    ]
    func name(_ devices: [GPUDescription], _ byteCount: Int) throws -> String? {
      try GPUChoice.automatic.pick(from: devices, needing: byteCount)?.name
    }
    #expect(try name(all, 4 << 30) == "large")
    #expect(try name(all, 23 << 30) == "shared")
    #expect(try name(all, 30 << 30) == nil)
    #expect(try name([all[0]], 1) == nil)
    #expect(try name([], 1) == nil)
    // Of equals the first.
    #expect(try name([device(0, "one", .discrete), device(1, "two", .discrete)], 1) == "one")
    #expect(try GPUChoice.none.pick(from: all, needing: 1) == nil)
  }

  @Test func whoNamesADeviceGetsIt() throws {
    let all = [
      device(0, "llvmpipe", .software), device(1, "GeForce RTX 4090", .discrete),
      device(2, "Arc A770", .discrete, unsuited: "its driver has Vulkan 1.1, and 1.3 is needed"),
    ]
    #expect(try GPUChoice("0").pick(from: all, needing: .max)?.name == "llvmpipe")
    #expect(try GPUChoice("geforce").pick(from: all, needing: .max)?.name == "GeForce RTX 4090")
    #expect(try GPUChoice("pipe").pick(from: all, needing: .max)?.name == "llvmpipe")
    func message(_ text: String) -> String? {
      do {
        _ = try GPUChoice(text).pick(from: all, needing: 0)
        return nil
      } catch { return "\(error)" }
    }
    #expect(message("3") == "There is no GPU 3: the last one is GPU 2.")
    #expect(message("2") == "Arc A770 cannot be used: its driver has Vulkan 1.1, and 1.3 is needed.")
    #expect(message("arc") == "Arc A770 cannot be used: its driver has Vulkan 1.1, and 1.3 is needed.")
    #expect(
      message("voodoo")
        == "No GPU is called \"voodoo\"; there are: \"llvmpipe\", \"GeForce RTX 4090\", \"Arc A770\".")
    #expect(message(" ") == "No GPU is called \" \"; there are: \"llvmpipe\", \"GeForce RTX 4090\", \"Arc A770\".")
    #expect(GPUChoice("voodoo").isExplicit)
    #expect(!GPUChoice("auto").isExplicit)
  }

  @Test func describesItself() {
    #expect(
      device(1, "Card", .discrete, total: 24 << 30, free: 3 << 29).lines == [
        "Card (discrete), 24.00 GiB of memory, 1.50 GiB free", "driver Test 1.2",
        "subgroups of 8 to 32; 16-bit storage, 8-bit dot product",
        "at most 128 MiB a binding, 2.00 GiB a buffer, 1024 invocations and 32 KiB of shared memory a workgroup",
      ])
    #expect(
      device(1, "Card", .discrete, unsuited: "it is old").lines == ["Card (discrete)", "cannot be used: it is old"])
  }

  @Test func featuresHaveNames() {
    let all = GPUFeatures(rawValue: (1 << 12) - 1)
    #expect(Set(all.names).count == 12)
    #expect(GPUFeatures([]).names.isEmpty)
    #expect(
      GPUError.missingFeatures(kernel: "matvec", features: [.dot8, .storage16], device: "Card").description
        == "The kernel \"matvec\" cannot run on Card, which lacks 16-bit storage, 8-bit dot product.")
  }
}
