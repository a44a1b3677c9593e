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
      "/v1/activity": {
        "get": {
          "summary": "What the neurons do while answers are made, as server-sent events for as long as the client listens.",
          "tags": ["General"],
          "responses": {
            "200": {"description": "A stream of events named token; first one named model for each model that is loaded.",
              "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/ActivityEvent"}}}}
          }
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
    {"ServerSentEvent": {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}},
      "ActivityEvent": {
        "type": "object",
        "properties": {
          "id": {"type": "string", "description": "The x-request-id of the answer's reply."},
          "choice": {"type": "integer"},
          "piece": {"type": "integer", "description": "The piece of the answer that the token belongs to, counted from 0."},
          "layers": {"type": "integer"}, "neurons": {"type": "integer"}, "groups": {"type": "integer"},
          "hot_groups": {"type": "integer"},
          "cells": {"type": "string", "description": "Base64 of layers * groups bytes: the share of a group that fired, 255 for all."},
          "active": {"type": "number"}, "hit_rate": {"type": ["number", "null"]}, "pass_ms": {"type": "number"},
          "feed_forward_ms": {"type": "number"}, "tokens_per_second": {"type": "number"}
        },
        "required": ["id", "choice", "piece", "layers", "neurons", "groups", "hot_groups", "cells", "active", "hit_rate", "pass_ms", "feed_forward_ms", "tokens_per_second"]
      }}
    """#
}
