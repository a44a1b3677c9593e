import Kernels
import Model

/// The forward pass of a Llama-family model on the CPU.
///
/// Every worker of the team runs ``forward(tokens:position:)``'s body from top to bottom, takes its share of each step and meets
/// the others at `sync()` wherever a step reads what another worker wrote. Shares only split independent sums, so results are
/// the same bits for any number of workers.
final class CPUExecutor {
  private let model: LanguageModel
  private let attention: Attention
  private let team: ThreadTeam
  private let kernels: Kernels
  private let work: Workspace

  init(model: LanguageModel, cache: KeyValueCache, team: ThreadTeam, batchSize: Int) {
    self.model = model
    self.team = team
    kernels = .active
    work = Workspace(configuration: model.configuration, batchSize: batchSize)
    attention = Attention(
      configuration: model.configuration, cache: cache, kernels: kernels, workers: team.count)
  }

  /// Runs `tokens` (at most the batch size) at positions `position...`, extending the cache.
  ///
  /// Afterwards ``logits(of:)`` gives the logits of any of them. Spec §4.2, Llama.
  func forward(tokens: ArraySlice<Int32>, position: Int) {
    let count = tokens.count
    let first = tokens.startIndex
    team.run { member in
      for t in member.share(of: count) {
        embed(tokens[first + t], into: t)
        model.rotary.write(
          position: position + t, cosines: work.cosines + t * rotaryPairs, sines: work.sines + t * rotaryPairs)
      }
      member.sync()
      for (index, layer) in model.weights.layers.enumerated() {
        norm(layer.attentionNorm, count: count, member)
        attentionBlock(layer, index: index, position: position, count: count, member)
        norm(layer.feedForwardNorm, count: count, member)
        feedForward(layer, count: count, member)
      }
      norm(model.weights.outputNorm, count: count, member)
    }
  }

  /// Logits of the last pass's tokens in `range` (at most ``Workspace/logitRows``), [range.count, V], valid until the next
  /// call.
  func logits(of range: Range<Int>) -> UnsafePointer<Float> {
    let output = model.weights.output
    team.run { member in
      kernels.multiply(
        output, rows: member.share(of: output.rows, multiple: rowGroup), by: work.normed, tokens: range,
        into: work.logits - range.lowerBound * output.rows, stride: output.rows)
    }
    return UnsafePointer(work.logits)
  }

  // MARK: Steps

  /// Row shares are multiples of this, so that kernels that take several rows at once run full.
  private let rowGroup = 4

  private var configuration: ModelConfiguration { model.configuration }
  private var rotaryPairs: Int { model.rotary.frequencies.count }

  private func embed(_ token: Int32, into t: Int) {
    let table = model.weights.tokenEmbedding
    kernels.dequantize(
      table.format, table.data + Int(token) * table.rowBytes, count: table.columns,
      into: work.residual + t * table.columns)
  }

  /// normed = RMS(residual) · gain, and its 8-bit form. Ends in step.
  private func norm(_ gain: Vector, count: Int, _ member: Member) {
    let d = configuration.hiddenSize
    for t in member.share(of: count) {
      kernels.rmsNorm(
        work.residual + t * d, weight: gain.values, epsilon: configuration.normEpsilon, count: d,
        into: work.normed.values + t * d)
      work.normed.quantize(tokens: t..<t + 1, using: kernels)
    }
    member.sync()
  }

  /// residual += Wo · attention(normed). Ends in step.
  private func attentionBlock(_ layer: LayerWeights, index: Int, position: Int, count: Int, _ member: Member) {
    project(layer.query, bias: layer.queryBias, of: work.normed, count: count, into: work.queries, member)
    project(layer.key, bias: layer.keyBias, of: work.normed, count: count, into: work.keys, member)
    project(layer.value, bias: layer.valueBias, of: work.normed, count: count, into: work.values, member)
    member.sync()

    attend(index: index, position: position, count: count, member)
    member.sync()

    for t in member.share(of: count) { work.attended.quantize(tokens: t..<t + 1, using: kernels) }
    member.sync()

    projectOntoResidual(layer.attentionOutput, bias: layer.attentionOutputBias, of: work.attended, count: count, member)
    member.sync()
  }

  /// attended = softmax(query · keys · scale) · values, each token over the positions up to its own.
  private func attend(index: Int, position: Int, count: Int, _ member: Member) {
    let pass = Attention.Pass(
      layer: index, position: position, count: count, queries: work.queries, keys: work.keys, values: work.values,
      cosines: work.cosines, sines: work.sines, output: work.attended.values)
    if count == 1 {
      attention.decode(
        pass, items: member.share(of: attention.decodeItems(position: position)), worker: member.index)
    } else {
      attention.store(pass, tokens: member.share(of: count))
      member.sync()
      for item in stride(from: member.index, to: attention.attendItems(count: count), by: member.count) {
        attention.attend(pass, item: item, worker: member.index)
      }
    }
  }

  /// residual += down · (act(gate · normed) · (up · normed)). Ends in step.
  private func feedForward(_ layer: LayerWeights, count: Int, _ member: Member) {
    let f = configuration.feedForwardSize
    let rows = member.share(of: f, multiple: rowGroup)
    let all = 0..<count
    kernels.multiply(layer.gate, rows: rows, by: work.normed, tokens: all, into: work.gate, stride: f)
    kernels.multiply(layer.up, rows: rows, by: work.normed, tokens: all, into: work.up, stride: f)
    for t in all {
      let start = t * f + rows.lowerBound
      let (gate, up, hidden) = (work.gate + start, work.up + start, work.hidden.values + start)
      switch configuration.gateActivation {
      case .silu: kernels.gateSiLU(gate, up: up, into: hidden, count: rows.count)
      case .relu: kernels.gateReLU(gate, up: up, into: hidden, count: rows.count)
      }
    }
    member.sync()

    switch layer.down {
    case .rows(let down):
      for t in member.share(of: count) { work.hidden.quantize(tokens: t..<t + 1, using: kernels) }
      member.sync()
      projectOntoResidual(down, bias: nil, of: work.hidden, count: count, member)
    case .neurons(let down):
      kernels.accumulateRows(
        down, coefficients: work.hidden.values, hStride: f, tokens: all,
        columns: member.share(of: down.columns, multiple: max(32, down.format.blockElements)), into: work.residual,
        stride: down.columns)
    }
    member.sync()
  }

  /// output = matrix · input + bias, this member's rows of it.
  private func project(
    _ matrix: Matrix, bias: Vector?, of input: Activations, count: Int, into output: UnsafeMutablePointer<Float>,
    _ member: Member
  ) {
    let rows = member.share(of: matrix.rows, multiple: rowGroup)
    kernels.multiply(matrix, rows: rows, by: input, tokens: 0..<count, into: output, stride: matrix.rows)
    guard let bias else { return }
    for t in 0..<count {
      kernels.add(bias.values + rows.lowerBound, to: output + t * matrix.rows + rows.lowerBound, count: rows.count)
    }
  }

  /// residual += matrix · input + bias, this member's rows of it.
  private func projectOntoResidual(
    _ matrix: Matrix, bias: Vector?, of input: Activations, count: Int, _ member: Member
  ) {
    project(matrix, bias: bias, of: input, count: count, into: work.projected, member)
    let rows = member.share(of: matrix.rows, multiple: rowGroup)
    for t in 0..<count {
      let start = t * matrix.rows + rows.lowerBound
      kernels.add(work.projected + start, to: work.residual + start, count: rows.count)
    }
  }
}
