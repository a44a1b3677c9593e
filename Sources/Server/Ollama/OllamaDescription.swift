/// The OpenAPI description of ollama's routes.
enum OllamaDescription {
  /// An object of paths.
  static let paths = #"""
    {
      "/api/version": {
        "get": {
          "summary": "The version.", "tags": ["ollama"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {"type": "object", "properties": {"version": {"type": "string"}}, "required": ["version"]}
                }
              }
            }
          }
        }
      },
      "/api/tags": {
        "get": {
          "summary": "The models that there are.", "tags": ["ollama"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {
                    "type": "object",
                    "properties": {
                      "models": {
                        "type": "array",
                        "items": {
                          "type": "object",
                          "properties": {
                            "name": {"type": "string"}, "model": {"type": "string"},
                            "modified_at": {"type": "string"}, "size": {"type": "integer"},
                            "digest": {"type": "string"}, "details": {"$ref": "#/components/schemas/OllamaDetails"}
                          },
                          "required": ["name", "model", "modified_at", "size", "digest", "details"]
                        }
                      }
                    },
                    "required": ["models"]
                  }
                }
              }
            }
          }
        }
      },
      "/api/ps": {
        "get": {
          "summary": "The models that are loaded.", "tags": ["ollama"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {
                    "type": "object", "properties": {"models": {"type": "array", "items": {"type": "object"}}},
                    "required": ["models"]
                  }
                }
              }
            }
          }
        }
      },
      "/api/show": {
        "post": {
          "summary": "What a model is.", "tags": ["ollama"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {
                    "type": "object",
                    "properties": {
                      "details": {"$ref": "#/components/schemas/OllamaDetails"}, "model_info": {"type": "object"},
                      "template": {"type": "string"}, "capabilities": {"type": "array", "items": {"type": "string"}}
                    },
                    "required": ["details", "model_info", "capabilities"]
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
                  "type": "object", "properties": {"model": {"type": "string", "minLength": 1}},
                  "required": ["model"]
                }
              }
            }
          }
        }
      },
      "/api/chat": {
        "post": {
          "summary": "Answers a conversation.", "tags": ["ollama"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/OllamaReply"}},
                "application/x-ndjson": {"schema": {"type": "string"}}
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
                    "model": {"type": "string", "minLength": 1},
                    "messages": {
                      "anyOf": [
                        {
                          "type": "array",
                          "items": {
                            "type": "object",
                            "properties": {
                              "role": {"enum": ["system", "user", "assistant", "tool"]},
                              "content": {"type": ["string", "null"]}, "thinking": {"type": ["string", "null"]}
                            },
                            "required": ["role"]
                          }
                        },
                        {"type": "null"}
                      ]
                    },
                    "stream": {"type": ["boolean", "null"]},
                    "options": {
                      "anyOf": [
                        {
                          "type": "object",
                          "properties": {
                            "num_predict": {"type": ["integer", "null"], "minimum": -2},
                            "stop": {"$ref": "#/components/schemas/Stop"}
                          },
                          "allOf": [{"$ref": "#/components/schemas/Sampling"}]
                        },
                        {"type": "null"}
                      ]
                    },
                    "keep_alive": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
                    "think": {"enum": [true, false, "low", "medium", "high", "", null]},
                    "tools": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "null"}]}
                  },
                  "required": ["model"]
                }
              }
            }
          }
        }
      },
      "/api/generate": {
        "post": {
          "summary": "Answers a prompt.", "tags": ["ollama"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/OllamaReply"}},
                "application/x-ndjson": {"schema": {"type": "string"}}
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
                    "model": {"type": "string", "minLength": 1}, "prompt": {"type": ["string", "null"]},
                    "suffix": {"type": ["string", "null"]}, "system": {"type": ["string", "null"]},
                    "stream": {"type": ["boolean", "null"]}, "raw": {"type": ["boolean", "null"]},
                    "think": {"enum": [true, false, "low", "medium", "high", "", null]},
                    "options": {
                      "anyOf": [
                        {
                          "type": "object",
                          "properties": {
                            "num_predict": {"type": ["integer", "null"], "minimum": -2},
                            "stop": {"$ref": "#/components/schemas/Stop"}
                          },
                          "allOf": [{"$ref": "#/components/schemas/Sampling"}]
                        },
                        {"type": "null"}
                      ]
                    },
                    "keep_alive": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]}
                  },
                  "required": ["model"]
                }
              }
            }
          }
        }
      },
      "/api/embed": {
        "post": {
          "summary": "Makes vectors of texts.", "tags": ["ollama"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {
                    "type": "object",
                    "properties": {
                      "model": {"type": "string"},
                      "embeddings": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
                    },
                    "required": ["model", "embeddings"]
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
                    "model": {"type": "string", "minLength": 1},
                    "input": {
                      "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]
                    },
                    "truncate": {"type": ["boolean", "null"]}
                  },
                  "required": ["model"]
                }
              }
            }
          }
        }
      },
      "/api/embeddings": {
        "post": {
          "summary": "Makes a vector of a text (older form).", "tags": ["ollama"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {
                    "type": "object", "properties": {"embedding": {"type": "array", "items": {"type": "number"}}},
                    "required": ["embedding"]
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
                  "properties": {"model": {"type": "string", "minLength": 1}, "prompt": {"type": ["string", "null"]}},
                  "required": ["model"]
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
      "OllamaError": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]},
      "OllamaDetails": {
        "type": "object",
        "properties": {
          "parent_model": {"type": "string"}, "format": {"type": "string"}, "family": {"type": "string"},
          "families": {"type": "array", "items": {"type": "string"}}, "parameter_size": {"type": "string"},
          "quantization_level": {"type": "string"}
        },
        "required": ["format", "family", "parameter_size", "quantization_level"]
      },
      "OllamaReply": {
        "type": "object",
        "properties": {
          "total_duration": {"type": "integer"}, "load_duration": {"type": "integer"},
          "prompt_eval_count": {"type": "integer"}, "prompt_eval_duration": {"type": "integer"},
          "eval_count": {"type": "integer"}, "eval_duration": {"type": "integer"}, "done": {"type": "boolean"},
          "done_reason": {"type": "string"}, "model": {"type": "string"}, "created_at": {"type": "string"},
          "response": {"type": "string"}, "thinking": {"type": "string"},
          "message": {
            "type": "object",
            "properties": {
              "role": {"type": "string"}, "content": {"type": "string"}, "thinking": {"type": "string"},
              "tool_calls": {
                "type": "array",
                "items": {
                  "type": "object",
                  "properties": {
                    "function": {
                      "type": "object", "properties": {"name": {"type": "string"}, "arguments": {"type": "object"}},
                      "required": ["name", "arguments"]
                    }
                  },
                  "required": ["function"]
                }
              }
            },
            "required": ["role", "content"]
          }
        },
        "required": ["model", "created_at", "done"]
      }
    }
    """#
}
