/// The OpenAPI description of llama.cpp's routes.
enum OriginalDescription {
  /// An object of paths.
  static let paths = #"""
    {
      "/completion": {
        "post": {
          "summary": "Goes on from a text.", "tags": ["llama.cpp"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/OriginalReply"}},
                "text/event-stream": {"schema": {"$ref": "#/components/schemas/ServerSentEvent"}}
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
                    "model": {"type": ["string", "null"]}, "stream": {"type": ["boolean", "null"]},
                    "n_predict": {"type": ["integer", "null"], "minimum": -2},
                    "n_keep": {"type": ["integer", "null"]},
                    "n_probs": {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
                    "stop": {"$ref": "#/components/schemas/Stop"}, "cache_prompt": {"type": ["boolean", "null"]},
                    "prompt": {"$ref": "#/components/schemas/Prompt"}
                  },
                  "required": ["prompt"], "allOf": [{"$ref": "#/components/schemas/Sampling"}]
                }
              }
            }
          }
        }
      },
      "/infill": {
        "post": {
          "summary": "Fills the gap between two texts, with models that can.", "tags": ["llama.cpp"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/OriginalReply"}},
                "text/event-stream": {"schema": {"$ref": "#/components/schemas/ServerSentEvent"}}
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
                    "model": {"type": ["string", "null"]}, "stream": {"type": ["boolean", "null"]},
                    "n_predict": {"type": ["integer", "null"], "minimum": -2},
                    "n_keep": {"type": ["integer", "null"]},
                    "n_probs": {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
                    "stop": {"$ref": "#/components/schemas/Stop"}, "cache_prompt": {"type": ["boolean", "null"]},
                    "input_prefix": {"type": "string"}, "input_suffix": {"type": "string"}
                  },
                  "required": ["input_prefix", "input_suffix"], "allOf": [{"$ref": "#/components/schemas/Sampling"}]
                }
              }
            }
          }
        }
      },
      "/tokenize": {
        "post": {
          "summary": "Cuts a text into tokens.", "tags": ["llama.cpp"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {
                    "type": "object", "properties": {"tokens": {"type": "array", "items": {}}},
                    "required": ["tokens"]
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
                    "content": {"type": "string"}, "add_special": {"type": ["boolean", "null"]},
                    "parse_special": {"type": ["boolean", "null"]}, "with_pieces": {"type": ["boolean", "null"]},
                    "model": {"type": ["string", "null"]}
                  },
                  "required": ["content"]
                }
              }
            }
          }
        }
      },
      "/detokenize": {
        "post": {
          "summary": "The text of tokens.", "tags": ["llama.cpp"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {"type": "object", "properties": {"content": {"type": "string"}}, "required": ["content"]}
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
                  "properties": {"tokens": {"type": "array", "items": {"type": "integer"}}, "model": {"type": ["string", "null"]}},
                  "required": ["tokens"]
                }
              }
            }
          }
        }
      },
      "/apply-template": {
        "post": {
          "summary": "The prompt that the chat template makes of a conversation.", "tags": ["llama.cpp"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}}
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
                    "messages": {"type": "array", "items": {"$ref": "#/components/schemas/ChatMessage"}},
                    "tools": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "null"}]},
                    "model": {"type": ["string", "null"]}, "enable_thinking": {"type": ["boolean", "null"]},
                    "chat_template_kwargs": {"$ref": "#/components/schemas/TemplateVariables"}
                  },
                  "required": ["messages"]
                }
              }
            }
          }
        }
      },
      "/props": {
        "get": {
          "summary": "What the server runs.", "tags": ["llama.cpp"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {
                    "type": "object",
                    "properties": {
                      "default_generation_settings": {"type": "object"}, "total_slots": {"type": "integer"},
                      "model_path": {"type": "string"}, "chat_template": {"type": "string"}
                    },
                    "required": ["default_generation_settings", "total_slots", "model_path", "chat_template"]
                  }
                }
              }
            }
          }
        }
      },
      "/slots": {
        "get": {
          "summary": "What is being computed.", "tags": ["llama.cpp"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {
                    "type": "array",
                    "items": {
                      "type": "object",
                      "properties": {
                        "id": {"type": "integer"}, "id_task": {"type": "integer"}, "n_ctx": {"type": "integer"},
                        "is_processing": {"type": "boolean"}, "n_prompt_tokens": {"type": "integer"}
                      },
                      "required": ["id", "is_processing", "n_ctx"]
                    }
                  }
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
      "Error": {
        "type": "object",
        "properties": {
          "error": {
            "type": "object",
            "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "type": {"type": "string"}},
            "required": ["code", "message", "type"]
          }
        },
        "required": ["error"]
      },
      "OriginalReply": {
        "type": "object",
        "properties": {
          "content": {"type": "string"}, "stop": {"type": "boolean"}, "model": {"type": "string"},
          "tokens_predicted": {"type": "integer"}, "tokens_evaluated": {"type": "integer"},
          "tokens_cached": {"type": "integer"}, "generation_settings": {"type": "object"},
          "prompt": {"type": "string"}, "truncated": {"type": "boolean"}, "stopped_eos": {"type": "boolean"},
          "stopped_word": {"type": "boolean"}, "stopped_limit": {"type": "boolean"},
          "stopping_word": {"type": "string"}, "timings": {"type": "object"}
        },
        "required": [
          "content", "stop", "model", "tokens_predicted", "tokens_evaluated", "generation_settings", "prompt",
          "truncated", "stopped_eos", "stopped_word", "stopped_limit", "stopping_word", "timings"
        ]
      }
    }
    """#
}
