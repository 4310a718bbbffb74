// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <cmath>
#include <functional>
#include <numeric>

#include "core/series/decoder_spec.h"
#include "core/series/init_std.h"
#include "tests/core/series/make_checkpoint.h"

using namespace crest;
using namespace crest::series;

namespace {

Json llama(const Json& changes = Json::object()) {
    Json config = {{"model_type", "llama"},    {"vocab_size", 100},          {"hidden_size", 32},
                   {"num_hidden_layers", 2},   {"num_attention_heads", 4},   {"intermediate_size", 64},
                   {"num_key_value_heads", 2}, {"rms_norm_eps", 1e-5},       {"max_position_embeddings", 64},
                   {"rope_theta", 10000.0},    {"tie_word_embeddings", true}};
    config.update(changes);
    return config;
}

/// EleutherAI/pythia-*: rotary_pct 0.25, vocabulary 50304 unless said otherwise.
Json pythia(int width, int layers, int heads, int vocab = 50304) {
    return {{"model_type", "gpt_neox"},
            {"hidden_size", width},
            {"num_hidden_layers", layers},
            {"num_attention_heads", heads},
            {"intermediate_size", 4 * width},
            {"vocab_size", vocab},
            {"rotary_pct", 0.25},
            {"rotary_emb_base", 10000},
            {"layer_norm_eps", 1e-5},
            {"max_position_embeddings", 2048},
            {"use_parallel_residual", true},
            {"hidden_act", "gelu"},
            {"tie_word_embeddings", false}};
}

std::int64_t elements(const std::vector<TensorInfo>& tensors) {
    std::int64_t sum = 0;
    for (const TensorInfo& tensor : tensors)
        sum += std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1}, std::multiplies<>());
    return sum;
}

} // namespace

class TestDecoderSpec : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void publishedParameterCounts_data() {
        // Pythia: model cards (total parameters). Llama-2-7b and TinyLlama: the sizes their cards and files give.
        QTest::addColumn<QByteArray>("config");
        QTest::addColumn<qint64>("parameters");
        const auto row = [](const char* name, const Json& config, qint64 parameters) {
            QTest::newRow(name) << QByteArray::fromStdString(config.dump()) << parameters;
        };
        row("pythia-70m", pythia(512, 6, 8), 70'426'624);
        row("pythia-160m", pythia(768, 12, 12), 162'322'944);
        row("pythia-410m", pythia(1024, 24, 16), 405'334'016);
        row("pythia-1b", pythia(2048, 16, 8), 1'011'781'632);
        row("pythia-1.4b", pythia(2048, 24, 16), 1'414'647'808);
        row("pythia-2.8b", pythia(2560, 32, 32), 2'775'208'960);
        row("llama-2-7b", {{"model_type", "llama"}, {"max_position_embeddings", 4096}}, 6'738'415'616);
        row("tinyllama",
            {{"model_type", "llama"},
             {"hidden_size", 2048},
             {"num_hidden_layers", 22},
             {"num_key_value_heads", 4},
             {"intermediate_size", 5632}},
            1'100'048'384);
        row("gpt2", {{"model_type", "gpt2"}}, 124'439'808);
        row("opt-125m", {{"model_type", "opt"}}, 125'239'296);
        row("opt-350m",
            {{"model_type", "opt"},
             {"hidden_size", 1024},
             {"num_hidden_layers", 24},
             {"num_attention_heads", 16},
             {"ffn_dim", 4096},
             {"word_embed_proj_dim", 512},
             {"do_layer_norm_before", false}},
            331'196'416);
        const auto olmo = [](const char* family, int vocab, bool tied) {
            return Json{{"model_type", family},       {"hidden_size", 2048},       {"num_hidden_layers", 16},
                        {"num_attention_heads", 16},  {"intermediate_size", 8192}, {"vocab_size", vocab},
                        {"tie_word_embeddings", tied}};
        };
        row("olmo-1b", olmo("olmo", 50304, true), 1'176'764'416);
        row("olmo-2-0425-1b", olmo("olmo2", 100352, false), 1'484'916'736);
        row("mistral-7b", {{"model_type", "mistral"}}, 7'241'732'096);
        row("qwen2-0.5b",
            {{"model_type", "qwen2"},
             {"hidden_size", 896},
             {"num_hidden_layers", 24},
             {"num_attention_heads", 14},
             {"num_key_value_heads", 2},
             {"intermediate_size", 4864},
             {"tie_word_embeddings", true}},
            494'032'768);
        row("qwen3-0.6b",
            {{"model_type", "qwen3"},
             {"hidden_size", 1024},
             {"num_hidden_layers", 28},
             {"num_attention_heads", 16},
             {"num_key_value_heads", 8},
             {"intermediate_size", 3072},
             {"tie_word_embeddings", true}},
            596'049'920);
    }
    void publishedParameterCounts() {
        QFETCH(QByteArray, config);
        QFETCH(qint64, parameters);
        const auto spec = decoderSpecFromConfig(Json::parse(config.toStdString()), "config.json");
        QVERIFY2(spec, spec ? "" : spec.error().text().c_str());
        QCOMPARE(parameterCount(*spec), parameters);
        QCOMPARE(elements(expectedTensors(*spec)), parameters);
    }
    void countsAgreeWithTensorsForEveryShape() {
        for (const bool tied : {false, true})
            for (const bool attentionBias : {false, true})
                for (const bool mlpBias : {false, true}) {
                    const auto spec = decoderSpecFromConfig(llama({{"tie_word_embeddings", tied},
                                                                   {"attention_bias", attentionBias},
                                                                   {"mlp_bias", mlpBias},
                                                                   {"head_dim", 6}}),
                                                            "x");
                    QVERIFY(spec);
                    QCOMPARE(parameterCount(*spec), elements(expectedTensors(*spec)));
                }
    }
    void flopsOfAHandWorkedCase() {
        // V 100, E 32, L 2, H 4, K 2, D 8, F 64: per layer q 1024, k 512, v 512, o 1024, gate, up, down 2048 each:
        // 9216; head 3200.
        const auto spec = decoderSpecFromConfig(llama(), "x");
        QVERIFY(spec);
        QCOMPARE(forwardFlopsPerToken(*spec, 0), 2.0 * (2 * 9216 + 3200));
        QCOMPARE(forwardFlopsPerToken(*spec, 10), 2.0 * (2 * 9216 + 3200) + 4.0 * 2 * 10 * 32);
    }
    void absentKeysMeanTheDefaultsOfTheFamily() {
        const auto neox = decoderSpecFromConfig({{"model_type", "gpt_neox"}}, "x");
        QVERIFY(neox);
        QCOMPARE(neox->width, 6144);
        QCOMPARE(neox->ropeDims, 24); // int(96 * 0.25)
        QCOMPARE(neox->normEps, 1e-5);
        QVERIFY(neox->parallelResidual && neox->qkvBias && neox->mlpBias && !neox->tiedHead);
        const auto plain = decoderSpecFromConfig({{"model_type", "llama"}}, "x");
        QVERIFY(plain);
        QCOMPARE(plain->kvHeads, 32);
        QCOMPARE(plain->ropeDims, 128);
        QCOMPARE(plain->normEps, 1e-6);
    }
    void rotaryPrecedence_data() {
        QTest::addColumn<QByteArray>("changes");
        QTest::addColumn<double>("base");
        const auto row = [](const char* name, const char* changes, double base) {
            QTest::newRow(name) << QByteArray(changes) << base;
        };
        row("top level", R"({"rope_theta":500000.0})", 500000);
        row("null scaling", R"({"rope_theta":500000.0,"rope_scaling":null})", 500000);
        row("inside wins", R"({"rope_theta":10000.0,"rope_parameters":{"rope_theta":500000.0,"rope_type":"default"}})",
            500000);
        row("inside rope_scaling wins", R"({"rope_theta":10000.0,"rope_scaling":{"type":"default","rope_theta":7.0}})",
            7);
        row("neither", R"({"rope_theta":null})", 10000);
        row("parameters without theta", R"({"rope_theta":3000.0,"rope_parameters":{"rope_type":"default"}})", 3000);
    }
    void rotaryPrecedence() {
        QFETCH(QByteArray, changes);
        QFETCH(double, base);
        const auto spec = decoderSpecFromConfig(llama(Json::parse(changes.toStdString())), "x");
        QVERIFY2(spec, spec ? "" : spec.error().text().c_str());
        QCOMPARE(spec->ropeBase, base);
    }
    void neoxIgnoresATopLevelTheta() {
        Json config = pythia(64, 1, 4);
        config["rope_theta"] = 500000;
        QCOMPARE(decoderSpecFromConfig(config, "x")->ropeBase, 10000.0);
        config["rotary_emb_base"] = 20000;
        QCOMPARE(decoderSpecFromConfig(config, "x")->ropeBase, 20000.0);
        config["rope_parameters"] = {{"rope_theta", 30000}, {"partial_rotary_factor", 0.5}};
        QCOMPARE(decoderSpecFromConfig(config, "x")->ropeBase, 30000.0);
        QCOMPARE(decoderSpecFromConfig(config, "x")->ropeDims, 8);
    }
    void refuses_data() {
        QTest::addColumn<QByteArray>("config");
        QTest::addColumn<int>("kind");
        QTest::addColumn<QByteArray>("part");
        const auto row = [](const char* name, const Json& config, ErrorKind kind, const char* part) {
            QTest::newRow(name) << QByteArray::fromStdString(config.dump()) << static_cast<int>(kind)
                                << QByteArray(part);
        };
        const auto unsupported = ErrorKind::Unsupported, range = ErrorKind::OutOfRange,
                   malformed = ErrorKind::Malformed;
        row("array", Json::array(), malformed, "object");
        row("no family", Json::object(), malformed, "model_type");
        row("family is a number", {{"model_type", 3}}, malformed, "model_type");
        row("unknown family", {{"model_type", "newthing"}}, unsupported, "\"newthing\" is unknown");
        for (const char* family :
             {"smollm3", "olmo_hybrid", "olmoe", "flex_olmo", "gemma", "gemma3_text", "qwen3_moe", "phi", "falcon"})
            row(family, {{"model_type", family}}, unsupported, family);
        row("longrope", llama({{"rope_scaling", {{"type", "longrope"}, {"factor", 2.0}}}}), unsupported, "longrope");
        row("scaling without factor", llama({{"rope_scaling", {{"rope_type", "llama3"}}}}), malformed, "factor");
        row("factor below 1", llama({{"rope_scaling", {{"rope_type", "linear"}, {"factor", 0.5}}}}), range, "factor");
        row("frequencies the wrong way",
            llama({{"rope_scaling",
                    {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 4}, {"high_freq_factor", 1}}}}),
            range, "high_freq_factor");
        row("scaling without type", llama({{"rope_scaling", {{"factor", 8.0}}}}), unsupported, "factor");
        row("gpt2 unscaled", {{"model_type", "gpt2"}, {"scale_attn_weights", false}}, unsupported, "unscaled");
        row("first olmo with alibi", {{"model_type", "hf_olmo"}, {"alibi", true}}, unsupported, "alibi");
        row("first olmo by its keys", {{"model_type", "olmo"}, {"d_model", 64}, {"include_bias", true}}, unsupported,
            "biases");
        row("clip 0", {{"model_type", "olmo"}, {"clip_qkv", 0}}, range, "clip_qkv");
        row("layer types of another count",
            {{"model_type", "qwen2"}, {"num_hidden_layers", 3}, {"layer_types", {"full_attention"}}}, unsupported,
            "layer_types");
        row("by layer", llama({{"rope_parameters", {{"full_attention", {{"rope_theta", 1e4}}}}}}), unsupported,
            "full_attention");
        row("partial llama", llama({{"partial_rotary_factor", 0.5}}), unsupported, "partial_rotary_factor");
        row("window", llama({{"sliding_window", 4096}}), unsupported, "sliding_window");
        row("layer types", llama({{"layer_types", {"full_attention", "sliding_attention"}}}), unsupported,
            "layer_types");
        row("quantised", llama({{"quantization_config", {{"bits", 4}}}}), unsupported, "quantization_config");
        row("code", llama({{"auto_map", {{"AutoModel", "x.Y"}}}}), unsupported, "auto_map");
        row("activation", llama({{"hidden_act", "mish"}}), unsupported, "mish");
        row("cross attention", llama({{"add_cross_attention", true}}), unsupported, "add_cross_attention");
        row("negative layers", llama({{"num_hidden_layers", -1}}), range, "num_hidden_layers");
        row("no heads", llama({{"num_attention_heads", 0}}), range, "num_attention_heads");
        row("heads do not divide", llama({{"num_attention_heads", 5}}), range, "no multiple");
        row("groups do not divide", llama({{"num_key_value_heads", 3}}), range, "num_key_value_heads");
        row("layers above the limit", llama({{"num_hidden_layers", 1025}}), range, "1024");
        row("width above the limit", llama({{"hidden_size", (1 << 24) + 4}}), range, "hidden_size");
        row("2^63", llama({{"hidden_size", std::uint64_t{1} << 63}}), range, "hidden_size");
        row("too many heads x size", llama({{"head_dim", 1 << 23}}), range, "dimensions");
        row("too many parameters",
            llama({{"hidden_size", 1 << 22}, {"intermediate_size", 1 << 24}, {"num_hidden_layers", 1000}}), range,
            "parameters");
        row("fraction", llama({{"hidden_size", 32.0}}), malformed, "hidden_size");
        row("text", llama({{"hidden_size", "32"}}), malformed, "hidden_size");
        row("tie is a number", llama({{"tie_word_embeddings", 1}}), malformed, "tie_word_embeddings");
        row("eps 0", llama({{"rms_norm_eps", 0.0}}), range, "rms_norm_eps");
        row("odd head", llama({{"head_dim", 7}}), range, "rotated");
        row("base 0", llama({{"rope_theta", 0}}), range, "rotary base");
    }
    void refuses() {
        QFETCH(QByteArray, config);
        QFETCH(int, kind);
        QFETCH(QByteArray, part);
        const auto spec = decoderSpecFromConfig(Json::parse(config.toStdString()), "a/config.json");
        QVERIFY(!spec);
        QCOMPARE(static_cast<int>(spec.error().kind), kind);
        QCOMPARE(spec.error().where, std::string("a/config.json"));
        QVERIFY2(spec.error().message.find(part.toStdString()) != std::string::npos, spec.error().message.c_str());
    }
    void configsReadBackTheSame() {
        for (const Json& config :
             {llama(), llama({{"head_dim", 6}, {"attention_bias", true}, {"mlp_bias", true}}), pythia(768, 12, 12),
              Json{{"model_type", "gpt_neox"},
                   {"hidden_size", 60},
                   {"num_attention_heads", 2},
                   {"rotary_pct", 0.47},
                   {"use_parallel_residual", false},
                   {"attention_bias", false},
                   {"hidden_act", "gelu_fast"}}}) {
            const auto spec = decoderSpecFromConfig(config, "x");
            QVERIFY2(spec, spec ? "" : spec.error().text().c_str());
            const auto again = decoderSpecFromConfig(configFromDecoderSpec(*spec), "y");
            QVERIFY2(again, again ? "" : again.error().text().c_str());
            QVERIFY(*again == *spec);
        }
    }
    void initRules() {
        const auto spec = decoderSpecFromConfig(pythia(768, 12, 12), "x");
        const auto known = familyInitStd(*spec, "EleutherAI/pythia-160m-deduped");
        // protocols.md 2.5: sqrt(2/(5 d)) and 2/(L sqrt(d)) with d = 768, L = 12.
        QVERIFY(std::abs(known.at("gpt_neox.embed_in.weight") - 0.022821773) < 1e-8);
        QVERIFY(std::abs(known.at("gpt_neox.layers.3.attention.dense.weight") - 0.0060140653) < 1e-9);
        QVERIFY(std::abs(known.at("embed_out.weight") - 0.022821773) < 1e-8);
        QVERIFY(!known.contains("gpt_neox.final_layer_norm.weight") &&
                !known.contains("gpt_neox.layers.0.attention.dense.bias"));
        QCOMPARE(known.size(), std::size_t{2 + 4 * 12});
        QVERIFY(familyInitStd(*spec, "somebody/neox-like").empty()); // name not recognised
        QVERIFY(familyInitStd(*decoderSpecFromConfig(pythia(768, 13, 12), "x"), "pythia-160m")
                    .empty());                                                               // shape not published
        QVERIFY(familyInitStd(*decoderSpecFromConfig(llama(), "x"), "pythia-160m").empty()); // family contradicts
    }
};

QTEST_APPLESS_MAIN(TestDecoderSpec)
#include "tst_decoder_spec.moc"
