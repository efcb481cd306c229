"""Fits one estimator of each kind on the iris data, saves it in several ways, and prints what each predicts.

  python make-estimators.py FOLDER
"""
import json
import pickle
import sys
import warnings
from pathlib import Path

import joblib
import numpy
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

warnings.simplefilter("ignore")
folder = Path(sys.argv[1])
x, y = load_iris(return_X_y=True)
names = numpy.array(["setosa", "versicolor", "virginica"])[y]
scaled = ColumnTransformer([("scaled", StandardScaler(), [0, 1]), ("kept", "passthrough", [2, 3])])
estimators = {
    "forest": (RandomForestClassifier(5, random_state=0), y, "joblib"),
    "boosting": (GradientBoostingClassifier(n_estimators=3, random_state=0), y, "joblib"),
    "histogram": (HistGradientBoostingClassifier(max_iter=3, random_state=0), y, "pickle"),
    "logistic": (LogisticRegression(), y, "zlib"),
    "sgd": (SGDClassifier(random_state=0), y, "joblib"),
    "neighbors": (KNeighborsClassifier(algorithm="kd_tree"), y, "joblib"),
    "network": (MLPClassifier(max_iter=20, random_state=0), y, "gzip"),
    "bayes": (GaussianNB(), y, "pickle"),
    "pipeline": (make_pipeline(scaled, PCA(2), SVC()), y, "xz"),
    "regression": (LinearRegression(), y.astype(float), "bz2"),
    "texts": (SVC(), names.astype(object), "joblib"),
    "short-texts": (SVC(), names, "lzma"),
}
predictions = {}
for name, (estimator, labels, how) in estimators.items():
    estimator.fit(x, labels)
    file = folder / f"{name}.joblib"
    if how == "pickle":
        file.write_bytes(pickle.dumps(estimator, protocol=len(predictions) % 6))
    else:
        joblib.dump(estimator, file, compress=0 if how == "joblib" else (how, 3))
    predictions[name] = estimator.predict(x).tolist()
print(json.dumps(predictions))
