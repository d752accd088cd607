"""Writes a DICOM Segmentation of a CT series with highdicom, as a radiologist's program would.

    segmentation.py CT_FOLDER MASK OUT KIND

MASK: one byte a voxel, slices by ascending height, rows, columns; 1 in a lesion, 2 in the left lung.
KIND: binary | fractional | rle | alone (the lesion's segment alone, called Segment_1).
"""

import sys
from pathlib import Path

import highdicom
import numpy
import pydicom
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

folder, mask, out, kind = sys.argv[1:]
images = [pydicom.dcmread(path) for path in sorted(Path(folder).iterdir())]
images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
for image in images:
    # What scanners write and the phantom leaves out.
    image.StudyID = ""
voxels = numpy.fromfile(mask, numpy.uint8).reshape(len(images), images[0].Rows, images[0].Columns)

def segment(number, label, category, kind_of):
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=category,
        segmented_property_type=kind_of,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
    )

tissue = (codes.SCT.Tissue, codes.SCT.Tissue)
if kind == "alone":
    segments = [segment(1, "Segment_1", *tissue)]
    pixels = (voxels == 1).astype(numpy.uint8)
else:
    segments = [
        segment(1, "Left lung", codes.SCT.Organ, codes.SCT.Lung),
        segment(2, "Chan Tai Man's GGO", codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Lesion),
    ]
    pixels = numpy.stack([voxels == 2, voxels == 1], axis=-1).astype(numpy.uint8)
fractional = kind in ("fractional", "rle")
seg = highdicom.seg.Segmentation(
    source_images=images,
    pixel_array=pixels.astype(float) if fractional else pixels,
    segmentation_type="FRACTIONAL" if fractional else "BINARY",
    max_fractional_value=200,
    segment_descriptions=segments,
    series_instance_uid=highdicom.UID(),
    series_number=9,
    sop_instance_uid=highdicom.UID(),
    instance_number=1,
    manufacturer="somebody",
    manufacturer_model_name="a segmentation program",
    software_versions="1",
    device_serial_number="1",
    transfer_syntax_uid=RLELossless if kind == "rle" else ExplicitVRLittleEndian,
)
seg.save_as(out)
