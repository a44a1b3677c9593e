/// The OpenAPI description of the routes that are no API's own.
enum GeneralDescription {
  /// An object of paths.
  static let paths = #"""
    {
      "/": {
        "get": {
          "summary": "A page that says what is here.", "tags": ["General"],
          "responses": {"200": {"description": "The reply.", "content": {"text/html": {"schema": {"type": "string"}}}}}
        }
      },
      "/health": {
        "get": {
          "summary": "Whether the server can answer.", "tags": ["General"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"type": "object", "properties": {"status": {"enum": ["ok"]}}, "required": ["status"]}}
              }
            }
          }
        }
      },
      "/v1/health": {
        "get": {
          "summary": "Whether the server can answer.", "tags": ["General"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"type": "object", "properties": {"status": {"enum": ["ok"]}}, "required": ["status"]}}
              }
            }
          }
        }
      },
      "/metrics": {
        "get": {
          "summary": "Metrics, as Prometheus reads them.", "tags": ["General"],
          "responses": {"200": {"description": "The reply.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
        }
      },
      "/openapi.json": {
        "get": {
          "summary": "This description.", "tags": ["General"],
          "responses": {"200": {"description": "The reply.", "content": {"application/json": {"schema": {"type": "object"}}}}}
        }
      }
    }
    """#

  /// An object of schemas that they refer to.
  static let schemas = #"""
    {"ServerSentEvent": {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}}}
    """#
}
