// swift-tools-version: 6.1
import PackageDescription

// How fast each inner loop is, on every instruction set of this processor. README.md tells how to run it.

let package = Package(
  name: "powerinfer-benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "powerinfer-swift", path: ".."),
    // Without its traits, which count allocations by means of a library that must be installed: the inner loops allocate nothing.
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
  ],
  targets: [
    .executableTarget(
      name: "KernelBenchmarks",
      dependencies: [
        .product(name: "PowerInferKernels", package: "powerinfer-swift"),
        .product(name: "Benchmark", package: "benchmark"),
      ],
      path: "Benchmarks/KernelBenchmarks",
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
  ],
  swiftLanguageModes: [.v6]
)
