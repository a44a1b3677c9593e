import Foundation

/// A tree of small files that stands for `/`.
final class FakeRoot {
  let path = NSTemporaryDirectory() + "powerinfer-root-\(UUID().uuidString)"

  init(_ files: [String: String]) throws {
    for (name, text) in files {
      let url = URL(fileURLWithPath: path + "/" + name)
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data((text + "\n").utf8).write(to: url)
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
