// SPDX-License-Identifier: Apache-2.0
#include "core/study/json_fields.h"
#include "core/study/study_json.h"

namespace crest::study {
namespace {

Json toJson(const OverlayPoint& point) {
    Json json = {{"tokens", numberToJson(point.tokens)}, {"value", numberToJson(point.value)}, {"n", point.n}};
    if (point.low)
        json["low"] = numberToJson(*point.low);
    if (point.high)
        json["high"] = numberToJson(*point.high);
    return json;
}

Result<OverlayPoint> pointFromJson(const Json& json, const std::string& where) {
    OverlayPoint point;
    JsonFields fields(json, where);
    fields.number("tokens", point.tokens);
    fields.number("value", point.value);
    fields.integer("n", point.n, 0);
    for (const auto& [key, edge] : {std::pair{"low", &point.low}, std::pair{"high", &point.high}})
        if (fields.has(key))
            fields.number(key, edge->emplace());
    CREST_CHECK(fields.finish());
    return point;
}

Json toJson(const OverlayCurve& curve) {
    Json points = Json::array();
    for (const OverlayPoint& point : curve.points)
        points.push_back(toJson(point));
    return {{"label", curve.label},
            {"task", curve.task},
            {"metric", curve.metric},
            {"unit", curve.unit},
            {"points", std::move(points)}};
}

Result<OverlayCurve> curveFromJson(const Json& json, const std::string& where) {
    OverlayCurve curve;
    JsonFields fields(json, where);
    fields.text("label", curve.label);
    fields.text("task", curve.task);
    fields.text("metric", curve.metric);
    fields.text("unit", curve.unit);
    fields.objects("points", curve.points, pointFromJson);
    CREST_CHECK(fields.finish());
    return curve;
}

} // namespace

Json toJson(const Overlay& overlay) {
    Json curves = Json::array();
    for (const OverlayCurve& curve : overlay.curves)
        curves.push_back(toJson(curve));
    return {{"name", overlay.name},
            {"source", overlay.source},
            {"file", overlay.file},
            {"sha256", overlay.sha256},
            {"curves", std::move(curves)}};
}

Result<Overlay> overlayFromJson(const Json& json, const std::string& where) {
    Overlay overlay;
    JsonFields fields(json, where);
    fields.text("name", overlay.name);
    fields.text("source", overlay.source);
    fields.text("file", overlay.file);
    fields.text("sha256", overlay.sha256);
    fields.objects("curves", overlay.curves, curveFromJson);
    CREST_CHECK(fields.finish());
    return overlay;
}

} // namespace crest::study
