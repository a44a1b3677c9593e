/// The OpenAPI description of Anthropic's routes.
enum AnthropicDescription {
  /// An object of paths.
  static let paths = #"""
    {
      "/v1/messages": {
        "post": {
          "summary": "Answers a conversation.", "tags": ["Anthropic"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/MessageReply"}},
                "text/event-stream": {"schema": {"$ref": "#/components/schemas/ServerSentEvent"}}
              }
            }
          },
          "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/MessagesRequest"}}}
          }
        }
      },
      "/v1/messages/count_tokens": {
        "post": {
          "summary": "Counts a conversation's tokens.", "tags": ["Anthropic"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {
                    "type": "object", "properties": {"input_tokens": {"type": "integer"}},
                    "required": ["input_tokens"]
                  }
                }
              }
            }
          },
          "requestBody": {
            "required": true,
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "model": {"type": ["string", "null"]},
                    "messages": {
                      "type": "array",
                      "items": {
                        "type": "object",
                        "properties": {
                          "role": {"enum": ["user", "assistant"]},
                          "content": {"$ref": "#/components/schemas/Content"}
                        },
                        "required": ["role", "content"]
                      },
                      "minItems": 1
                    },
                    "system": {"anyOf": [{"$ref": "#/components/schemas/Content"}, {"type": "null"}]},
                    "thinking": {"$ref": "#/components/schemas/Thinking"},
                    "tools": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "null"}]}
                  },
                  "required": ["messages"]
                }
              }
            }
          }
        }
      }
    }
    """#

  /// An object of schemas that they refer to.
  static let schemas = #"""
    {
      "AnthropicError": {
        "type": "object",
        "properties": {
          "type": {"enum": ["error"]},
          "error": {
            "type": "object", "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
            "required": ["type", "message"]
          },
          "request_id": {"type": "string"}
        },
        "required": ["type", "error"]
      },
      "Content": {
        "anyOf": [
          {"type": "string"},
          {
            "type": "array",
            "items": {
              "anyOf": [
                {
                  "type": "object", "properties": {"type": {"enum": ["text"]}, "text": {"type": "string"}},
                  "required": ["type", "text"]
                },
                {
                  "type": "object",
                  "properties": {
                    "type": {"enum": ["thinking"]}, "thinking": {"type": "string"}, "signature": {"type": "string"}
                  },
                  "required": ["type", "thinking"]
                },
                {
                  "type": "object",
                  "properties": {
                    "type": {"enum": ["tool_use"]}, "id": {"type": "string"}, "name": {"type": "string"},
                    "input": {"type": "object"}
                  },
                  "required": ["type", "id", "name"]
                },
                {
                  "type": "object",
                  "properties": {
                    "type": {"enum": ["tool_result"]}, "tool_use_id": {"type": "string"},
                    "content": {
                      "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}, {"type": "null"}]
                    }
                  },
                  "required": ["type", "tool_use_id"]
                }
              ]
            }
          }
        ]
      },
      "Thinking": {
        "anyOf": [
          {
            "type": "object",
            "properties": {
              "type": {"enum": ["enabled", "adaptive", "disabled"]}, "budget_tokens": {"type": ["integer", "null"]}
            },
            "required": ["type"]
          },
          {"type": "null"}
        ]
      },
      "MessagesRequest": {
        "type": "object",
        "properties": {
          "model": {"type": ["string", "null"]}, "max_tokens": {"type": "integer", "minimum": 1},
          "messages": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {"role": {"enum": ["user", "assistant"]}, "content": {"$ref": "#/components/schemas/Content"}},
              "required": ["role", "content"]
            },
            "minItems": 1
          },
          "system": {"anyOf": [{"$ref": "#/components/schemas/Content"}, {"type": "null"}]},
          "stop_sequences": {"$ref": "#/components/schemas/Stop"}, "stream": {"type": ["boolean", "null"]},
          "tools": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "null"}]},
          "tool_choice": {
            "anyOf": [
              {
                "type": "object", "properties": {"type": {"enum": ["auto", "any", "tool", "none"]}, "name": {"type": "string"}},
                "required": ["type"]
              },
              {"type": "null"}
            ]
          },
          "thinking": {"$ref": "#/components/schemas/Thinking"},
          "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
          "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1}, "top_k": {"type": ["integer", "null"]}
        },
        "required": ["max_tokens", "messages"]
      },
      "MessageReply": {
        "type": "object",
        "properties": {
          "id": {"type": "string"}, "type": {"enum": ["message"]}, "role": {"enum": ["assistant"]},
          "model": {"type": "string"},
          "content": {
            "type": "array",
            "items": {
              "anyOf": [
                {
                  "type": "object", "properties": {"type": {"enum": ["text"]}, "text": {"type": "string"}},
                  "required": ["type", "text"]
                },
                {
                  "type": "object",
                  "properties": {
                    "type": {"enum": ["thinking"]}, "thinking": {"type": "string"}, "signature": {"type": "string"}
                  },
                  "required": ["type", "thinking", "signature"]
                },
                {
                  "type": "object",
                  "properties": {
                    "type": {"enum": ["tool_use"]}, "id": {"type": "string"}, "name": {"type": "string"},
                    "input": {"type": "object"}
                  },
                  "required": ["type", "id", "name", "input"]
                }
              ]
            }
          },
          "stop_reason": {"type": "string"}, "stop_sequence": {"type": ["string", "null"]},
          "usage": {
            "type": "object",
            "properties": {
              "input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"},
              "cache_creation_input_tokens": {"type": "integer"}, "cache_read_input_tokens": {"type": "integer"}
            },
            "required": ["input_tokens", "output_tokens"]
          }
        },
        "required": ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"]
      }
    }
    """#
}
