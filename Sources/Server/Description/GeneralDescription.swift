/// The OpenAPI description of the routes that are no API's own.
enum GeneralDescription {
  /// An object of paths.
  static let paths = #"""
    {
      "/": {
        "get": {
          "summary": "A page to chat on, for browsers; for other clients, what is where.", "tags": ["General"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {"text/html": {"schema": {"type": "string"}}, "text/plain": {"schema": {"type": "string"}}}
            },
            "304": {"description": "The client's copy is still good."}
          }
        }
      },
      "/page/{file}": {
        "get": {
          "summary": "A file of the page.", "tags": ["General"],
          "parameters": [{"name": "file", "in": "path", "required": true, "schema": {"type": "string"}}],
          "responses": {
            "200": {
              "description": "The file.",
              "content": {
                "text/html": {"schema": {"type": "string"}}, "text/css": {"schema": {"type": "string"}},
                "text/javascript": {"schema": {"type": "string"}}, "image/svg+xml": {"schema": {"type": "string"}}
              }
            },
            "304": {"description": "The client's copy is still good."}
          }
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
