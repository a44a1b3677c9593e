// swift-tools-version: 6.1
import PackageDescription

// The map of the house. Arrows point downwards only; CONTRIBUTING.md says what lives in each room.

let swiftSettings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// Module names are unique among all packages of a program, so that each begins with the package's own. Folders go without.
func module(_ room: String) -> String { room == "Inference" ? "PowerInfer" : "PowerInfer" + room }

func rooms(_ names: String...) -> [Target.Dependency] { names.map { .byName(name: module($0)) } }

func room(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
  .target(
    name: module(name), dependencies: dependencies, path: "Sources/" + name, exclude: exclude,
    swiftSettings: swiftSettings)
}

func tests(
  _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], resources: [Resource] = []
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, exclude: exclude, resources: resources, swiftSettings: swiftSettings)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let cKernels = Target.Dependency.byName(name: "CPowerInferKernels")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let orderedCollections = Target.Dependency.product(name: "OrderedCollections", package: "swift-collections")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTLS = Target.Dependency.product(name: "HummingbirdTLS", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let serverParts: [Target.Dependency] = [
  hummingbird, hummingbirdCore, hummingbirdTLS, logging, crypto, orderedCollections,
  .product(name: "CoreMetrics", package: "swift-metrics"),
  .product(name: "HTTPTypes", package: "swift-http-types"),
  .product(name: "NIOCore", package: "swift-nio"),
  .product(name: "NIOHTTP1", package: "swift-nio"),
  .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
  .product(name: "NIOSSL", package: "swift-nio-ssl"),
  .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
  .product(name: "UnixSignals", package: "swift-service-lifecycle"),
]
let testKit = Target.Dependency.byName(name: "PowerInferTestKit")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
  name: "powerinfer-swift",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "powerinfer", targets: ["PowerInferCommandLine"]),
    // `import PowerInfer` suffices for a program that loads a model and streams answers.
    .library(
      name: "PowerInfer",
      targets: [
        "PowerInfer", "PowerInferSparsity", "PowerInferModel", "PowerInferGGUF", "PowerInferCheckpoint",
        "PowerInferToolkit", "PowerInferPlatform",
      ]),
    // For Benchmarks/, a package of its own, so that what it depends on is no part of this one.
    .library(name: "PowerInferKernels", targets: ["PowerInferKernels"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    // The server's. Hummingbird's own support of configuration files is left out.
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: ["FullFoundation"]),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    // `swift package generate-documentation`
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
  ],
  targets: [
    // The command line: one file per subcommand, no logic. The program is called `powerinfer`; a module of that name would be
    // the library's on a file system that ignores case.
    .executableTarget(
      name: "PowerInferCommandLine",
      dependencies: rooms(
        "Server", "Inference", "Toolkit", "Sparsity", "Model", "Jinja", "GPU", "GGUF", "Checkpoint", "Kernels",
        "LineEditing", "Platform"
      )
        + [argumentParser, orderedCollections, logging, yams],
      path: "Sources/CommandLine", swiftSettings: swiftSettings),

    // Lines typed at a terminal: keys, cursor, history.
    room("LineEditing", rooms("Platform")),
    // The HTTP server: the APIs that clients already speak, over the engine's scheduler.
    room(
      "Server",
      rooms("Inference", "Model", "Jinja", "GGUF", "Platform") + [.byName(name: "CPowerInferPage")] + serverParts),
    // The chat page: HTML, styles and scripts as they are, embedded by the C compiler.
    .target(name: "CPowerInferPage", path: "Sources/Page", exclude: ["Files"]),
    // Offline work on model files: convert, quantize, profile, train predictors.
    room("Toolkit", rooms("Inference", "Sparsity", "Model", "GGUF", "Checkpoint", "Kernels", "Platform") + [crypto]),
    // The library's face, module `PowerInfer`: engine, sequences, executors, sampling, generation, perplexity.
    room(
      "Inference",
      rooms("Sparsity", "Model", "Jinja", "GPU", "Kernels", "Platform") + [crypto, orderedCollections]),
    // Which neurons are computed: activation sources, predictors, profiles, hotness order, thresholds.
    room("Sparsity", rooms("Model", "GGUF", "Kernels", "Platform") + [crypto]),
    // Architectures as data, weights, tokenizers, chat templates.
    room("Model", rooms("GGUF", "Kernels", "Jinja", "Platform") + [heap, orderedCollections]),
    // The subset of the Jinja template language that chat templates use.
    room("Jinja", [orderedCollections]),
    // Quantised blocks, matrix products, attention, norms; the thread team; picks the instruction set.
    room("Kernels", rooms("Platform") + [cKernels]),
    // C inner loops, several instruction sets in one binary, no build flags. Includes are relative to the room's root.
    .target(name: "CPowerInferKernels", path: "Sources/CKernels", cSettings: [.headerSearchPath(".")]),
    // Devices that compute beside the processor: memory, kernels, recorded passes. The driver is loaded at run time.
    room(
      "GPU", rooms("Platform") + [.byName(name: "CPowerInferVulkan"), .byName(name: "CPowerInferShaders")],
      exclude: ["Kernels/Slang"]),
    // Declarations of the driver's interface, as far as they are used.
    .target(name: "CPowerInferVulkan", path: "Sources/CVulkan"),
    // The compiled kernels, made by Scripts/build-shaders.sh.
    .target(name: "CPowerInferShaders", path: "Sources/Shaders"),
    // The GGUF container, both magics: read, write, describe.
    room("GGUF", rooms("Platform") + [orderedCollections]),
    // Other people's tensor files: safetensors, and what torch.save writes. Nothing in them is run.
    room("Checkpoint", rooms("Platform")),
    // Everything that differs between Linux and macOS: mapped files, processors, terminals, signals.
    room("Platform"),

    // Writes tiny random models and reads golden files, for the tests.
    .target(
      name: "PowerInferTestKit", dependencies: rooms("GGUF", "Platform"), path: "Tests/TestKit",
      swiftSettings: swiftSettings),
    tests("PlatformTests", rooms("Platform") + [testKit]),
    tests("GGUFTests", rooms("GGUF") + [testKit]),
    tests("CheckpointTests", rooms("Checkpoint", "Platform") + [testKit], resources: [.copy("Golden")]),
    tests("KernelsTests", rooms("Kernels", "Platform") + [testKit]),
    tests(
      "GPUTests", rooms("GPU", "Kernels", "Platform") + [.byName(name: "CPowerInferVulkan"), testKit],
      exclude: ["Device/Shaders"]),
    tests("JinjaTests", rooms("Jinja") + [orderedCollections], resources: [.copy("Golden")]),
    tests(
      "ModelTests", rooms("Model", "GGUF", "Jinja", "Kernels", "Platform") + [testKit, orderedCollections],
      resources: [.copy("Golden")]),
    tests("SparsityTests", rooms("Sparsity", "Model", "GGUF", "Platform") + [testKit]),
    tests(
      "InferenceTests",
      rooms("Inference", "Sparsity", "Model", "Jinja", "GPU", "GGUF", "Kernels", "Platform") + [testKit],
      resources: [.copy("Golden")]),
    tests(
      "ToolkitTests",
      rooms("Toolkit", "Inference", "Sparsity", "Model", "Checkpoint", "Kernels", "GGUF", "Platform")
        + [testKit, crypto],
      resources: [.copy("Golden")]),
    tests(
      "ServerTests",
      rooms("Server", "Inference", "Model", "GGUF", "Platform") + [testKit] + serverParts),
    tests(
      "CommandLineTests",
      [.byName(name: "PowerInferCommandLine")]
        + rooms("Server", "LineEditing", "Toolkit", "Inference", "Sparsity", "Model", "Jinja", "GGUF", "Platform")
        + [testKit, logging]),
  ],
  swiftLanguageModes: [.v6]
)
