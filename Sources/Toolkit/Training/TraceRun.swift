import Foundation
import PowerInfer
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// Runs a text through a model and writes what every layer's predictor would read and what its neurons do.
///
/// The text is written in parts of some chunks; after an interruption the work goes on with the first part that is not whole.
struct TraceRun {
  /// What runs; after the first pass with predictors, which decide what is computed.
  let model: LanguageModel
  /// Counted from 0.
  let pass: Int
  let text: ScoredText
  let options: EngineOptions
  let thresholds: [Float]?
  let folder: WorkFolder
  let team: ThreadTeam

  /// Tokens of a part, about.
  static let partTokens = 8192

  /// Chunks in a part.
  static func chunksPerPart(_ text: ScoredText) -> Int { max(1, partTokens / text.contextSize) }

  /// Parts of a text.
  static func partCount(_ text: ScoredText) -> Int {
    (text.chunkCount + chunksPerPart(text) - 1) / chunksPerPart(text)
  }

  /// Bytes that the traces of a text take on disk at most, were every neuron to fire for half of the tokens.
  static func byteBound(_ shape: TraceShape, tokens: Int) -> Int {
    shape.layers * tokens * (shape.inputBytes + shape.bitBytes + shape.neurons / 2 + 4)
  }

  /// Parts of which not all layers' files are there.
  var missingParts: [Int] {
    (0..<Self.partCount(text)).filter { part in
      (0..<model.configuration.layerCount).contains {
        !folder.exists(folder.trace(pass: pass, layer: $0, part: part))
      }
    }
  }

  /// Removes all that was written.
  func removeAll() {
    for layer in 0..<model.configuration.layerCount {
      for part in 0..<Self.partCount(text) { folder.remove(folder.trace(pass: pass, layer: layer, part: part)) }
    }
  }

  /// Writes what is missing.
  ///
  /// - Throws: `TrainingError`, `FileError`, and what an engine throws.
  func run(progress: (_ done: Int, _ of: Int) -> Void, isCancelled: () -> Bool) throws {
    let shape = TraceShape(model.configuration)
    let missing = missingParts
    guard !missing.isEmpty else { return }
    var options = options
    options.contextSize = text.contextSize
    options.sparsity = SparsityOptions(mode: pass == 0 ? .dense : .predictor)
    options.sparsity.masksPrompts = true
    options.sparsity.predictorThreshold = 0
    let workers = options.threads ?? Processors.recommended
    let batch = min(options.batchSize, text.contextSize)
    let bytes = TraceRecorder.byteCount(shape, batch: batch)
    guard Memory.canAllocate(bytes) else { throw TrainingError.notEnoughMemory(bytes: bytes) }
    let recorder = TraceRecorder(
      configuration: model.configuration, norms: NeuronNorms.norms(of: model, team: team), thresholds: thresholds,
      batch: batch, workers: max(workers, team.count))
    options.observer = recorder
    let sequence = try Engine(model: model, options: options).makeSequence()
    let chunks = Self.chunksPerPart(text)
    for part in missing {
      let writers = try (0..<shape.layers).map {
        try TraceFile.Writer(folder.trace(pass: pass, layer: $0, part: part), shape: shape, layer: $0, part: part)
      }
      for chunk in part * chunks..<min((part + 1) * chunks, text.chunkCount) {
        sequence.truncate(to: 0)
        let input = text.input(ofChunk: chunk)
        for start in stride(from: 0, to: input.count, by: batch) {
          if isCancelled() { throw TrainingError.cancelled(folder: folder.path) }
          let tokens = Array(input[start..<min(start + batch, input.count)])
          try sequence.read(tokens)
          if let layer = recorder.damagedLayer { throw TrainingError.notFinite(layer: layer) }
          try append(tokens.count, of: recorder, to: writers)
          progress(chunk * text.contextSize + start + tokens.count, text.tokens.count)
        }
      }
      for writer in writers { try writer.finish() }
    }
  }

  /// Appends a batch to every layer's file.
  private func append(_ tokens: Int, of recorder: TraceRecorder, to writers: [TraceFile.Writer]) throws {
    let largest = recorder.shape.largestRecord
    let errors = FirstError()
    // Every member has layers of its own.
    let shared = Unguarded(writers)
    team.run { member in
      let writers = shared.value
      let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: tokens * largest)
      defer { buffer.deallocate() }
      var lengths: [Int] = []
      for layer in member.share(of: writers.count) {
        lengths.removeAll(keepingCapacity: true)
        var end = 0
        for token in 0..<tokens {
          lengths.append(recorder.writeRecord(layer: layer, token: token, to: buffer + end))
          end += lengths[token]
        }
        do {
          try writers[layer].append(UnsafeRawBufferPointer(start: buffer, count: end), lengths: lengths)
        } catch {
          errors.note(error)
        }
      }
    }
    try errors.check()
  }
}
