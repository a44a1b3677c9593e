// swift-tools-version: 6.1
import PackageDescription

// The map of the house. Arrows point downwards only; CONTRIBUTING.md says what lives in each room.

let swiftSettings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: swiftSettings)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let orderedCollections = Target.Dependency.product(name: "OrderedCollections", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")

let package = Package(
  name: "powerinfer-swift",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "powerinfer", targets: ["powerinfer"]),
    .library(
      name: "PowerInfer", targets: ["Inference", "Sparsity", "Model", "GGUF", "Checkpoint", "Toolkit", "Platform"]),
    // For Benchmarks/, a package of its own, so that what it depends on is no part of this one.
    .library(name: "PowerInferKernels", targets: ["Kernels"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    // `swift package generate-documentation`
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
  ],
  targets: [
    // The command line: one file per subcommand, no logic.
    .executableTarget(
      name: "powerinfer",
      dependencies: [
        "Inference", "Toolkit", "Sparsity", "Model", "Jinja", "GGUF", "Checkpoint", "Kernels", "Platform",
        argumentParser, orderedCollections,
      ],
      swiftSettings: swiftSettings),

    // Offline work on model files: convert, quantize, profile, train predictors.
    room("Toolkit", ["Inference", "Sparsity", "Model", "GGUF", "Checkpoint", "Kernels", "Platform", crypto]),
    // Sessions, key/value cache, the CPU executor, sampling, generation, perplexity.
    room("Inference", ["Sparsity", "Model", "Kernels", "Platform", crypto]),
    // Which neurons are computed: activation sources, predictors, profiles, hotness order, thresholds.
    room("Sparsity", ["Model", "GGUF", "Kernels", "Platform", crypto]),
    // Architectures as data, weights, tokenizers, chat templates.
    room("Model", ["GGUF", "Kernels", "Jinja", "Platform", heap, orderedCollections]),
    // The subset of the Jinja template language that chat templates use.
    room("Jinja", [orderedCollections]),
    // Quantised blocks, matrix products, attention, norms; the thread team; picks the instruction set.
    room("Kernels", ["CKernels", "Platform"]),
    // C inner loops, several instruction sets in one binary, no build flags.
    .target(name: "CKernels"),
    // The GGUF container, both magics: read, write, describe.
    room("GGUF", ["Platform", orderedCollections]),
    // Other people's tensor files: safetensors, and what torch.save writes. Nothing in them is run.
    room("Checkpoint", ["Platform"]),
    // Everything that differs between Linux and macOS: mapped files, processors, terminals, signals.
    room("Platform"),

    // Writes tiny random models and reads golden files, for the tests.
    .target(name: "TestKit", dependencies: ["GGUF", "Platform"], path: "Tests/TestKit", swiftSettings: swiftSettings),
    tests("PlatformTests", ["Platform"]),
    tests("GGUFTests", ["GGUF", "TestKit"]),
    tests("CheckpointTests", ["Checkpoint", "Platform", "TestKit"], resources: [.copy("Golden")]),
    tests("KernelsTests", ["Kernels", "TestKit"]),
    tests("JinjaTests", ["Jinja", orderedCollections], resources: [.copy("Golden")]),
    tests(
      "ModelTests", ["Model", "GGUF", "Jinja", "Kernels", "TestKit", orderedCollections],
      resources: [.copy("Golden")]),
    tests("SparsityTests", ["Sparsity", "Model", "GGUF", "TestKit"]),
    tests(
      "InferenceTests", ["Inference", "Sparsity", "Model", "Jinja", "GGUF", "Kernels", "TestKit"],
      resources: [.copy("Golden")]),
    tests(
      "ToolkitTests",
      ["Toolkit", "Inference", "Sparsity", "Model", "Checkpoint", "Kernels", "GGUF", "Platform", "TestKit", crypto],
      resources: [.copy("Golden")]),
    tests("CommandLineTests", ["powerinfer", "Toolkit", "Sparsity", "GGUF", "TestKit"]),
  ],
  swiftLanguageModes: [.v6]
)
