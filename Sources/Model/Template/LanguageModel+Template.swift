import PowerInferGGUF

extension LanguageModel {
  /// The chat template of the model's file; nil where it has none.
  ///
  /// - Parameter given: the name or the text of a template to take instead; see ``ChatTemplate/source(named:)``.
  /// - Throws: `JinjaError` where the template is none, ``ChatTemplateError/unknownName(_:known:)``, and what reading the file's
  ///   metadata throws.
  public func chatTemplate(instead given: String? = nil) throws -> ChatTemplate? {
    if let given {
      return try ChatTemplate(
        source: ChatTemplate.source(named: given), bosToken: ChatTemplate.token("bos", in: file.metadata) ?? "",
        eosToken: ChatTemplate.token("eos", in: file.metadata) ?? "")
    }
    do {
      return try ChatTemplate(metadata: file.metadata)
    } catch ChatTemplateError.missing {
      return nil
    }
  }
}
