import PowerInfer

/// What requests of all APIs may say of sampling: OpenAI's names, and llama.cpp's for what OpenAI does not have.
struct SamplingFields: Decodable, Sendable, Equatable {
  var temperature: Float?
  var top_p: Float?
  var top_k: Int?
  var min_p: Float?
  var typical_p: Float?
  var repeat_penalty: Float?
  var repeat_last_n: Int?
  var presence_penalty: Float?
  var frequency_penalty: Float?
  var seed: Int64?
  var logit_bias: LogitBias?
  var ignore_eos: Bool?

  /// The server's options with the request's in their place.
  ///
  /// - Throws: ``APIError`` for what is out of range.
  func applied(to defaults: SamplingOptions, vocabularySize: Int) throws -> SamplingOptions {
    var options = defaults
    if let temperature {
      guard temperature >= 0 else {
        throw APIError(
          .invalidRequest, "The value of temperature must be 0 or more, but it is \(temperature).",
          parameter: "temperature")
      }
      options.temperature = temperature
    }
    if let top_p { options.topP = top_p }
    if let top_k { options.topK = top_k }
    if let min_p { options.minP = min_p }
    if let typical_p { options.typicalP = typical_p }
    if let repeat_penalty { options.repeatPenalty = repeat_penalty }
    if let repeat_last_n { options.repeatLastN = repeat_last_n }
    if let presence_penalty { options.presencePenalty = presence_penalty }
    if let frequency_penalty { options.frequencyPenalty = frequency_penalty }
    // -1 is llama.cpp's word for any.
    if let seed { options.seed = seed == -1 ? nil : UInt64(bitPattern: seed) }
    for (token, bias) in logit_bias?.entries ?? [] {
      guard token >= 0, token < vocabularySize else {
        throw APIError(
          .invalidRequest, "The logit bias names token \(token), expected 0 to \(vocabularySize - 1).",
          parameter: "logit_bias")
      }
      options.logitBias[Int32(token)] = bias
    }
    do {
      try options.validate()
    } catch {
      throw APIError(error)
    }
    return options
  }
}

/// Tokens that are made likelier or less likely: an object from ids to numbers (OpenAI), or a list of pairs of an id and a number, or
/// false for never (llama.cpp).
struct LogitBias: Decodable, Sendable, Equatable {
  struct Entry: Sendable, Equatable {
    var token: Int
    var bias: Float
  }

  var entries: [(token: Int, bias: Float)]

  static func == (a: LogitBias, b: LogitBias) -> Bool {
    a.entries.map { Entry(token: $0.token, bias: $0.bias) } == b.entries.map { Entry(token: $0.token, bias: $0.bias) }
  }

  /// More would only make every token slower.
  static let most = 1024

  init(from decoder: any Decoder) throws {
    entries = []
    if var list = try? decoder.unkeyedContainer() {
      while !list.isAtEnd {
        var pair = try list.nestedUnkeyedContainer()
        let token = try pair.decode(Int.self)
        if let flag = try? pair.decode(Bool.self) {
          guard !flag else {
            throw DecodingError.dataCorruptedError(
              in: pair, debugDescription: "true is no bias, expected a number or false.")
          }
          entries.append((token, -.infinity))
        } else {
          entries.append((token, try pair.decode(Float.self)))
        }
        try Self.check(entries.count, decoder)
      }
    } else {
      let single = try decoder.singleValueContainer()
      for (key, bias) in try single.decode([String: Float].self).sorted(by: { $0.key < $1.key }) {
        guard let token = Int(key) else {
          throw DecodingError.dataCorruptedError(
            in: single, debugDescription: "\(key.debugDescription) is no token's id.")
        }
        entries.append((token, bias))
        try Self.check(entries.count, decoder)
      }
    }
  }

  private static func check(_ count: Int, _ decoder: any Decoder) throws {
    guard count <= most else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "there are more than \(most) entries."))
    }
  }
}

/// Texts that end an answer: one, or a list.
struct StopField: Decodable, Sendable, Equatable {
  var texts: [String]

  /// Each costs time at every token.
  static let most = 64
  /// Bytes of one; so much of an answer is held back.
  static let longest = 4096

  init(from decoder: any Decoder) throws {
    let single = try decoder.singleValueContainer()
    if let text = try? single.decode(String.self) { texts = [text] } else { texts = try single.decode([String].self) }
    guard texts.count <= Self.most else {
      throw DecodingError.dataCorruptedError(
        in: single, debugDescription: "there are \(texts.count) stop strings, expected at most \(Self.most).")
    }
    guard texts.allSatisfy({ $0.utf8.count <= Self.longest }) else {
      throw DecodingError.dataCorruptedError(
        in: single, debugDescription: "a stop string is longer than \(Self.longest) bytes.")
    }
  }
}
