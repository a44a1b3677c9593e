import PowerInferGGUF

extension LanguageModel {
  /// The chat template of the model's file; nil where it has none.
  ///
  /// - Throws: `JinjaError` where the file's template is none, and what reading the file's metadata throws.
  public func chatTemplate() throws -> ChatTemplate? {
    do {
      return try ChatTemplate(metadata: file.metadata)
    } catch ChatTemplateError.missing {
      return nil
    }
  }
}
