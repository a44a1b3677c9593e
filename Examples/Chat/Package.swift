// swift-tools-version: 6.1
import PackageDescription

// A program of its own that depends on this package as any other would.

let package = Package(
  name: "Chat",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "powerinfer-swift", path: "../..")],
  targets: [
    .executableTarget(
      name: "Chat", dependencies: [.product(name: "PowerInfer", package: "powerinfer-swift")])
  ],
  swiftLanguageModes: [.v6]
)
